-- IDs that a client put back into its queue, worst first: the ID and how often.
SELECT id, count(*) AS times
FROM events
WHERE event = 'requeue'
GROUP BY id
ORDER BY times DESC, any_value(name) NULLS FIRST, id
