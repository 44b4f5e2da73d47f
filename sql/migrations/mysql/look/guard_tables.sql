-- The side tables of guards in a database, each with the comment that names the table it is for. Locks nothing.
SELECT table_name, table_comment
FROM information_schema.tables
WHERE table_schema = {schema} AND table_name LIKE 'dedupaudit|_guard|_%' ESCAPE '|'
ORDER BY table_name
