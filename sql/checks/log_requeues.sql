-- Where and when re-queues happened: counts by file, by device, and by hour (hours since the epoch).
SELECT 'file' AS kind, file::VARCHAR AS what, count(*) AS times FROM events WHERE event = 'requeue' GROUP BY file
UNION ALL
SELECT 'device', device, count(*) FROM events WHERE event = 'requeue' AND device IS NOT NULL GROUP BY device
UNION ALL
SELECT 'hour', (moment // 3600000000)::VARCHAR, count(*) FROM events WHERE event = 'requeue' AND moment IS NOT NULL GROUP BY 2
ORDER BY kind, times DESC, what
