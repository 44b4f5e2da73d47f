-- The columns of a table as an index sees them: name; fixed bytes, or those that a length allows (NULL: no limit), in
-- characters where the third says so; whether a unique index can hold the type at all.
-- Locks: nothing that anybody waits for.
WITH RECURSIVE base AS (
    SELECT attribute.attnum, attribute.attname, attribute.atttypid AS oid, attribute.atttypmod AS modifier
    FROM pg_catalog.pg_attribute AS attribute
    WHERE attribute.attrelid = {oid} AND attribute.attnum > 0 AND NOT attribute.attisdropped
    UNION ALL
    SELECT base.attnum, base.attname, type.typbasetype,
           CASE WHEN base.modifier < 0 THEN type.typtypmod ELSE base.modifier END
    FROM base
    JOIN pg_catalog.pg_type AS type ON type.oid = base.oid AND type.typtype = 'd'
)
SELECT base.attname::pg_catalog.text,
       CASE
           WHEN type.typlen > 0 THEN type.typlen
           WHEN type.typname IN ('varchar', 'bpchar') AND base.modifier > 4 THEN base.modifier - 4
       END::pg_catalog.int8,
       type.typlen < 0,
       EXISTS (
           SELECT 1
           FROM pg_catalog.pg_opclass AS class
           JOIN pg_catalog.pg_am AS method ON method.oid = class.opcmethod AND method.amname = 'btree'
           WHERE class.opcdefault
             AND (
                 class.opcintype = type.oid
                 OR type.typname = 'varchar' AND class.opcintype = 'pg_catalog.text'::pg_catalog.regtype
                 OR type.typtype = 'e' AND class.opcintype = 'pg_catalog.anyenum'::pg_catalog.regtype
                 OR type.typtype = 'r' AND class.opcintype = 'pg_catalog.anyrange'::pg_catalog.regtype
                 OR type.typtype = 'm' AND class.opcintype = pg_catalog.to_regtype('pg_catalog.anymultirange')
                 OR type.typtype = 'c' AND class.opcintype = 'pg_catalog.record'::pg_catalog.regtype
                 OR type.typcategory = 'A' AND class.opcintype = 'pg_catalog.anyarray'::pg_catalog.regtype
             )
       )
FROM base
JOIN pg_catalog.pg_type AS type ON type.oid = base.oid AND type.typtype <> 'd'
ORDER BY base.attnum
