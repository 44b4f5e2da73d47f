-- The constraints of a table: kind and name. Locks nothing.
SELECT constraint_type, constraint_name
FROM information_schema.table_constraints
WHERE table_schema = {schema} AND table_name = {name}
ORDER BY constraint_type, constraint_name
