-- The columns of one table as a quarantine keeps them: name, type with domains resolved, collation (quoted, or ''), and
-- whether NULL is kept out, a value is given by default, or it is generated. Reads the catalog; locks nothing.
WITH RECURSIVE base AS (
    SELECT attribute.attnum, attribute.atttypid AS oid, attribute.atttypmod AS modifier
    FROM pg_catalog.pg_attribute AS attribute
    WHERE attribute.attrelid = {oid} AND attribute.attnum > 0 AND NOT attribute.attisdropped
    UNION ALL
    SELECT base.attnum, type.typbasetype, type.typtypmod
    FROM base
    JOIN pg_catalog.pg_type AS type ON type.oid = base.oid AND type.typtype = 'd'
)
SELECT attribute.attname::pg_catalog.text,
       pg_catalog.format_type(type.oid, base.modifier),
       coalesce(pg_catalog.quote_ident(namespace.nspname) || '.' || pg_catalog.quote_ident(collated.collname), ''),
       attribute.attnotnull OR attribute.atthasdef OR attribute.attidentity <> '' OR attribute.attgenerated <> ''
FROM pg_catalog.pg_attribute AS attribute
JOIN base ON base.attnum = attribute.attnum
JOIN pg_catalog.pg_type AS type ON type.oid = base.oid AND type.typtype <> 'd'
LEFT JOIN pg_catalog.pg_collation AS collated ON collated.oid = attribute.attcollation
LEFT JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = collated.collnamespace
WHERE attribute.attrelid = {oid} AND attribute.attnum > 0 AND NOT attribute.attisdropped
ORDER BY attribute.attnum
