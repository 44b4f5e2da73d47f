-- Every table, view and the like that can be audited, or those whose name differs from the one asked for in case alone.
-- Returns oid, schema, name, kind, whether the search path finds it, and whether tables inherit from it.
-- Reads the catalog; locks nothing that anybody waits for.
SELECT relation.oid::pg_catalog.int8,
       namespace.nspname::pg_catalog.text,
       relation.relname::pg_catalog.text,
       relation.relkind::pg_catalog.text,
       pg_catalog.pg_table_is_visible(relation.oid),
       relation.relhassubclass AND EXISTS (SELECT 1 FROM pg_catalog.pg_inherits WHERE inhparent = relation.oid)
FROM pg_catalog.pg_class AS relation
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = relation.relnamespace
WHERE relation.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND namespace.nspname NOT IN ('pg_catalog', 'information_schema', 'dedupaudit')
  AND pg_catalog.left(namespace.nspname::pg_catalog.text, 8) NOT IN ('pg_toast', 'pg_temp_')
  AND {named}
ORDER BY namespace.nspname, relation.relname
