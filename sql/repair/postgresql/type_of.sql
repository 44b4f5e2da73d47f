-- The type that a declared one is in the end, domains resolved: its OID and category. No row where there is none.
-- Reads the catalog; locks nothing.
WITH RECURSIVE base AS (
    SELECT pg_catalog.to_regtype({declared})::pg_catalog.oid AS oid
    UNION ALL
    SELECT type.typbasetype
    FROM base
    JOIN pg_catalog.pg_type AS type ON type.oid = base.oid AND type.typtype = 'd'
)
SELECT type.oid::pg_catalog.int8, type.typcategory::pg_catalog.text
FROM base
JOIN pg_catalog.pg_type AS type ON type.oid = base.oid AND type.typtype <> 'd'
