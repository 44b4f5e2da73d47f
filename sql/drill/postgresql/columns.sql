-- The columns of a table: name, type, whether NULL is kept out (by its domains too), identity, generated, default, the
-- name of the type below its domains as it is written, that type's kind, category and schema, and the labels of an enum
-- as JSON; then whether the default, and whether a check of its domains, calls what is neither PostgreSQL's own nor a
-- harmless extension's.
-- Locks: nothing that anybody waits for.
WITH RECURSIVE below (number, type, modifier, domain, forbids) AS (
    SELECT attribute.attnum, attribute.atttypid, attribute.atttypmod, NULL::pg_catalog.oid, attribute.attnotnull
    FROM pg_catalog.pg_attribute AS attribute
    WHERE attribute.attrelid = {oid} AND attribute.attnum > 0 AND NOT attribute.attisdropped
    UNION ALL
    SELECT below.number, kept.typbasetype, kept.typtypmod, kept.oid, below.forbids OR kept.typnotnull
    FROM below
    JOIN pg_catalog.pg_type AS kept ON kept.oid = below.type AND kept.typtype = 'd'
)
SELECT attribute.attname::pg_catalog.text,
       pg_catalog.format_type(attribute.atttypid, attribute.atttypmod),
       below.forbids,
       attribute.attidentity::pg_catalog.text,
       attribute.attgenerated::pg_catalog.text,
       pg_catalog.pg_get_expr(stored.adbin, stored.adrelid),
       pg_catalog.format_type(below.type, below.modifier),
       base.typtype::pg_catalog.text,
       base.typcategory::pg_catalog.text,
       space.nspname::pg_catalog.text,
       (
           SELECT pg_catalog.json_agg(one.enumlabel ORDER BY one.enumsortorder)::pg_catalog.text
           FROM pg_catalog.pg_enum AS one WHERE one.enumtypid = base.oid
       ),
       EXISTS (
           SELECT 1 FROM ({foreign}) AS used (classid, objid, called, space)
           WHERE used.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND used.objid = stored.oid
       ),
       EXISTS (
           SELECT 1 FROM ({foreign}) AS used (classid, objid, called, space)
           JOIN pg_catalog.pg_constraint AS rule
             ON used.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND used.objid = rule.oid
           WHERE rule.contypid IN (SELECT other.domain FROM below AS other WHERE other.number = attribute.attnum)
       )
FROM pg_catalog.pg_attribute AS attribute
JOIN below ON below.number = attribute.attnum
JOIN pg_catalog.pg_type AS base ON base.oid = below.type AND base.typtype <> 'd'
JOIN pg_catalog.pg_namespace AS space ON space.oid = base.typnamespace
LEFT JOIN pg_catalog.pg_attrdef AS stored ON stored.adrelid = attribute.attrelid AND stored.adnum = attribute.attnum
WHERE attribute.attrelid = {oid} AND attribute.attnum > 0 AND NOT attribute.attisdropped
ORDER BY attribute.attnum
