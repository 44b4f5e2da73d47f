-- A table by its schema and name: OID and kind; needs no right on it. Reads the catalog; locks nothing.
SELECT relation.oid::pg_catalog.int8, relation.relkind::pg_catalog.text
FROM pg_catalog.pg_class AS relation
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = relation.relnamespace
WHERE namespace.nspname = {schema} AND relation.relname = {name}
