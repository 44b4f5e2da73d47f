-- Why the audit's role could write into one table; NULL where it could not.
-- Reads the catalog; locks nothing that anybody waits for.
SELECT CASE
    WHEN role.rolsuper THEN 'is a superuser'
    WHEN pg_catalog.pg_has_role(relation.relowner, 'USAGE') THEN 'owns the table'
    WHEN pg_catalog.has_table_privilege(relation.oid, 'INSERT, UPDATE, DELETE, TRUNCATE') THEN 'may change its rows'
END
FROM pg_catalog.pg_class AS relation
CROSS JOIN pg_catalog.pg_roles AS role
WHERE relation.oid = {oid} AND role.rolname = current_user
