-- The indexes of a table and of its partitions: the table's schema and name, the index's name, whether it is unique,
-- valid, and a constraint's; the schema and name of the index that it is attached to; its columns, as JSON (an expression
-- is null); whether it has a condition.
-- Locks: nothing that anybody waits for.
SELECT space.nspname::pg_catalog.text,
       listed.relname::pg_catalog.text,
       named.relname::pg_catalog.text,
       held.indisunique,
       held.indisvalid AND held.indisready,
       EXISTS (
           SELECT 1 FROM pg_catalog.pg_constraint AS kept WHERE kept.conindid = held.indexrelid AND kept.contype IN ('u', 'p')
       ),
       above_space.nspname::pg_catalog.text,
       above.relname::pg_catalog.text,
       (
           SELECT pg_catalog.json_agg(attribute.attname ORDER BY part.number)::pg_catalog.text
           FROM pg_catalog.generate_series(0, held.indnkeyatts - 1) AS part (number)
           LEFT JOIN pg_catalog.pg_attribute AS attribute
                  ON attribute.attrelid = held.indrelid
                 AND attribute.attnum = held.indkey[part.number]
                 AND attribute.attnum <> 0
       ),
       held.indpred IS NOT NULL
FROM (
    SELECT {oid}::pg_catalog.oid AS oid
    UNION
    SELECT part.relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree({oid}) AS part
) AS asked
JOIN pg_catalog.pg_class AS listed ON listed.oid = asked.oid
JOIN pg_catalog.pg_namespace AS space ON space.oid = listed.relnamespace
JOIN pg_catalog.pg_index AS held ON held.indrelid = listed.oid AND held.indislive
JOIN pg_catalog.pg_class AS named ON named.oid = held.indexrelid
LEFT JOIN pg_catalog.pg_inherits AS line ON line.inhrelid = held.indexrelid
LEFT JOIN pg_catalog.pg_class AS above ON above.oid = line.inhparent
LEFT JOIN pg_catalog.pg_namespace AS above_space ON above_space.oid = above.relnamespace
ORDER BY 1, 2, 3
