-- The names of all quarantine tables of a database. Locks nothing.
SELECT table_name
FROM information_schema.tables
WHERE table_schema = {schema} AND table_type = 'BASE TABLE' AND LEFT(table_name, 11) = 'dedupaudit_'
ORDER BY table_name
