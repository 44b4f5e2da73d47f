-- The indexes of one table: name, method, unique, primary, valid, ready, partial; and of its key columns, in order, the
-- column (NULL: an expression), the collation, and the operator class where it is not the type's own. Columns that an
-- index only carries along (INCLUDE) are left out, and so are indexes that are being dropped.
-- Reads the catalog; locks nothing that anybody waits for.
SELECT named.relname::pg_catalog.text,
       method.amname::pg_catalog.text,
       listed.indisunique AND NOT listed.indisexclusion,
       listed.indisprimary,
       listed.indisvalid,
       listed.indisready,
       listed.indpred IS NOT NULL,
       column_name.name::pg_catalog.text,
       coalesce(collated.collname::pg_catalog.text, ''),
       CASE WHEN class.opcdefault THEN '' ELSE class.opcname::pg_catalog.text END
FROM pg_catalog.pg_index AS listed
JOIN pg_catalog.pg_class AS named ON named.oid = listed.indexrelid
JOIN pg_catalog.pg_am AS method ON method.oid = named.relam
CROSS JOIN LATERAL pg_catalog.generate_series(0, listed.indnkeyatts - 1) AS part (number)
LEFT JOIN LATERAL (
    SELECT attribute.attname AS name
    FROM pg_catalog.pg_attribute AS attribute
    WHERE attribute.attrelid = listed.indrelid AND attribute.attnum = listed.indkey[part.number] AND attribute.attnum <> 0
) AS column_name ON TRUE
LEFT JOIN pg_catalog.pg_collation AS collated ON collated.oid = listed.indcollation[part.number]
LEFT JOIN pg_catalog.pg_opclass AS class ON class.oid = listed.indclass[part.number]
WHERE listed.indrelid = {oid} AND listed.indislive
ORDER BY named.relname, part.number
