-- IDs that the backend received more than once, worst first: the ID and how often.
SELECT id, count(*) AS times
FROM events
WHERE event = 'receive'
GROUP BY id
HAVING count(*) > 1
ORDER BY times DESC, any_value(name) NULLS FIRST, id
