-- By how many microseconds the clock of each client stream is ahead of the backend's: the median over IDs that have one
-- send and one receive, at a few of which ({every}) are looked.
SELECT stream, median(pairs.ahead)::BIGINT
FROM (
    SELECT any_value(file) FILTER (WHERE event = 'send') AS file,
           min(moment) FILTER (WHERE event = 'send') - min(moment) FILTER (WHERE event = 'receive') AS ahead
    FROM events
    WHERE hash(id) % {every} = 0 AND event IN ('send', 'resend', 'receive')
    GROUP BY id
    HAVING count(*) FILTER (WHERE event = 'send') = 1 AND count(*) FILTER (WHERE event = 'receive') = 1
       AND count(*) FILTER (WHERE event = 'resend') = 0
) AS pairs
JOIN files USING (file)
WHERE pairs.ahead IS NOT NULL
GROUP BY stream
