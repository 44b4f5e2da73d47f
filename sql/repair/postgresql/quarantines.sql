-- The tool's quarantine tables: their names. Reads the catalog; locks nothing.
SELECT relation.relname::pg_catalog.text
FROM pg_catalog.pg_class AS relation
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = relation.relnamespace
WHERE namespace.nspname = 'dedupaudit'
  AND relation.relkind = 'r'
  AND pg_catalog.left(relation.relname::pg_catalog.text, 11) = 'quarantine_'
ORDER BY 1
