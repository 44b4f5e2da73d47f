-- The tool's own table of runs, where it is there as a table and the role may read it. Reads the catalog; locks nothing.
SELECT relation.relname::pg_catalog.text
FROM pg_catalog.pg_class AS relation
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = relation.relnamespace
WHERE namespace.nspname = 'dedupaudit'
  AND relation.relname = 'runs'
  AND relation.relkind = 'r'
  AND pg_catalog.has_schema_privilege(namespace.oid, 'USAGE')
  AND pg_catalog.has_table_privilege(relation.oid, 'SELECT')
