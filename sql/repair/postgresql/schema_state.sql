-- Of the tool's own schema: whether it exists, whether the role may use it, whether it may make tables there; whether it
-- may make a schema; the role's and the database's name, quoted. Reads the catalog; locks nothing.
SELECT namespace.oid IS NOT NULL,
       coalesce(pg_catalog.has_schema_privilege(namespace.oid, 'USAGE'), FALSE),
       coalesce(pg_catalog.has_schema_privilege(namespace.oid, 'CREATE'), FALSE),
       pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'),
       pg_catalog.quote_ident(current_user),
       pg_catalog.quote_ident(pg_catalog.current_database())
FROM (SELECT 1) AS one
LEFT JOIN pg_catalog.pg_namespace AS namespace ON namespace.nspname = 'dedupaudit'
