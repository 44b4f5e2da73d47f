-- The columns of one table: name, declared type, whether NULL is kept out, generated, identity or a sequence's default,
-- and of its type, domains resolved: oid, name, category, kind; the collation, and whether equal text is equal bytes to it;
-- the schema and name of the extended hash function, and of the operator, that the type's own unique index goes by.
-- Reads the catalog; locks nothing that anybody waits for.
WITH RECURSIVE base AS (
    SELECT attribute.attnum, attribute.atttypid AS oid
    FROM pg_catalog.pg_attribute AS attribute
    WHERE attribute.attrelid = {oid} AND attribute.attnum > 0 AND NOT attribute.attisdropped
    UNION ALL
    SELECT base.attnum, type.typbasetype
    FROM base
    JOIN pg_catalog.pg_type AS type ON type.oid = base.oid AND type.typtype = 'd'
),
typed AS (
    SELECT base.attnum, type.oid, type.typname, type.typcategory, type.typtype,
           CASE
               WHEN type.oid = 'pg_catalog.varchar'::pg_catalog.regtype THEN 'pg_catalog.text'::pg_catalog.regtype::oid
               WHEN type.typtype = 'e' THEN 'pg_catalog.anyenum'::pg_catalog.regtype::oid
               WHEN type.typtype = 'r' THEN 'pg_catalog.anyrange'::pg_catalog.regtype::oid
               WHEN type.typcategory = 'A' THEN 'pg_catalog.anyarray'::pg_catalog.regtype::oid
               ELSE type.oid
           END AS indexed
    FROM base
    JOIN pg_catalog.pg_type AS type ON type.oid = base.oid AND type.typtype <> 'd'
)
SELECT attribute.attname::pg_catalog.text,
       pg_catalog.format_type(attribute.atttypid, attribute.atttypmod),
       attribute.attnotnull AND NOT EXISTS (
           SELECT 1
           FROM pg_catalog.pg_constraint AS kept
           WHERE kept.conrelid = attribute.attrelid AND kept.contype = 'n' AND NOT kept.convalidated
             AND kept.conkey = ARRAY[attribute.attnum]
       ),
       attribute.attgenerated <> '',
       attribute.attidentity <> ''
           OR coalesce(pg_catalog.pg_get_expr(given.adbin, given.adrelid), '') LIKE 'nextval(%',
       typed.oid::pg_catalog.int8,
       typed.typname::pg_catalog.text,
       typed.typcategory::pg_catalog.text,
       typed.typtype::pg_catalog.text,
       coalesce(collated.collname::pg_catalog.text, ''),
       coalesce(collated.collisdeterministic, TRUE),
       hashed.schema,
       hashed.name,
       equal.schema,
       equal.name
FROM pg_catalog.pg_attribute AS attribute
JOIN typed ON typed.attnum = attribute.attnum
LEFT JOIN pg_catalog.pg_attrdef AS given
       ON given.adrelid = attribute.attrelid AND given.adnum = attribute.attnum AND attribute.attgenerated = ''
LEFT JOIN pg_catalog.pg_collation AS collated ON collated.oid = attribute.attcollation
LEFT JOIN LATERAL (
    SELECT namespace.nspname::pg_catalog.text AS schema, function.proname::pg_catalog.text AS name
    FROM pg_catalog.pg_opclass AS class
    JOIN pg_catalog.pg_am AS method ON method.oid = class.opcmethod AND method.amname = 'hash'
    JOIN pg_catalog.pg_amproc AS support
      ON support.amprocfamily = class.opcfamily
     AND support.amproclefttype = class.opcintype
     AND support.amprocrighttype = class.opcintype
     AND support.amprocnum = 2
    JOIN pg_catalog.pg_proc AS function ON function.oid = support.amproc
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = function.pronamespace
    WHERE class.opcdefault AND class.opcintype = typed.indexed
      -- SQL can call no function of internals, nor the one of integers that dates borrow.
      AND function.proargtypes[0] = class.opcintype
    LIMIT 1
) AS hashed ON TRUE
LEFT JOIN LATERAL (
    SELECT namespace.nspname::pg_catalog.text AS schema, operator.oprname::pg_catalog.text AS name
    FROM pg_catalog.pg_opclass AS class
    JOIN pg_catalog.pg_am AS method ON method.oid = class.opcmethod AND method.amname = 'btree'
    JOIN pg_catalog.pg_amop AS member
      ON member.amopfamily = class.opcfamily
     AND member.amoplefttype = class.opcintype
     AND member.amoprighttype = class.opcintype
     AND member.amopstrategy = 3
    JOIN pg_catalog.pg_operator AS operator ON operator.oid = member.amopopr
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = operator.oprnamespace
    WHERE class.opcdefault AND class.opcintype = typed.indexed
    LIMIT 1
) AS equal ON TRUE
WHERE attribute.attrelid = {oid} AND attribute.attnum > 0 AND NOT attribute.attisdropped
ORDER BY attribute.attnum
