-- What tells one database from every other: its name, its OID, and whether the role may see the cluster's number.
-- A standby has what its primary has. Reads the catalog; locks nothing.
SELECT database.datname::pg_catalog.text,
       database.oid::pg_catalog.text,
       pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')
FROM pg_catalog.pg_database AS database
WHERE database.datname = pg_catalog.current_database()
