-- What information_schema says of a table's columns, in their order. Locks nothing; holds the table's name for an instant.
SELECT column_name, column_type, character_set_name, collation_name, is_nullable, extra, generation_expression
FROM information_schema.columns
WHERE table_schema = {schema} AND table_name = {name}
ORDER BY ordinal_position
