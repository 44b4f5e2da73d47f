-- A table's kind and storage engine; no row where it does not exist, or the role has no right on it. Locks nothing.
SELECT table_name, table_type, engine
FROM information_schema.tables
WHERE table_schema = {schema} AND table_name = {name}
