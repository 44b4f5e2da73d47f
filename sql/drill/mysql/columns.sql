-- The columns of a table: name, type as declared and without its length, whether it takes NULL, default, what else is
-- said of it, and its longest text. Locks nothing.
SELECT column_name, column_type, data_type, is_nullable, column_default, extra, character_maximum_length
FROM information_schema.columns
WHERE table_schema = {schema} AND table_name = {name}
ORDER BY ordinal_position
