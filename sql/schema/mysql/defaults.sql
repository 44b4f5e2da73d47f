-- The columns of a table with their default, and what the server does on its own beside it, as JSON.
-- Locks: none.
SELECT CAST(JSON_ARRAY(column_name, column_default, extra) AS CHAR)
FROM information_schema.columns
WHERE table_schema = {schema} AND table_name = {table} AND COALESCE(generation_expression, '') = ''
