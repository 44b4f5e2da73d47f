-- The kind of a relation of that name, if there is one.
-- Locks: nothing that anybody waits for.
SELECT relation.relkind::pg_catalog.text
FROM pg_catalog.pg_class AS relation
JOIN pg_catalog.pg_namespace AS space ON space.oid = relation.relnamespace
WHERE space.nspname = {schema} AND relation.relname = {name}
