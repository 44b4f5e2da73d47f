-- The sessions in a database that do nothing at this moment: one of them may hold a table by LOCK TABLES, which leaves no
-- other trace where performance_schema is off. Needs PROCESS. Locks nothing.
SELECT id
FROM information_schema.processlist
WHERE command = 'Sleep' AND db = {schema} AND id NOT IN ({own})
ORDER BY time, id
LIMIT 12
