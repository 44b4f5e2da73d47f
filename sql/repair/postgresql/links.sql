-- The foreign keys that refer to one table, a row a column: name, what a DELETE does (a c d n r), whether it is one over
-- periods, and of the table that refers its OID, schema, name, kind, whether the search path finds it, and whether tables
-- inherit from it; then its column and the column referred to. Of a partitioned one only its own, not its partitions'.
-- Reads the catalog; locks nothing that anybody waits for.
SELECT link.conname::pg_catalog.text,
       link.confdeltype::pg_catalog.text,
       coalesce((pg_catalog.to_jsonb(link) ->> 'conperiod')::pg_catalog.bool, FALSE),
       child.oid::pg_catalog.int8,
       namespace.nspname::pg_catalog.text,
       child.relname::pg_catalog.text,
       child.relkind::pg_catalog.text,
       pg_catalog.pg_table_is_visible(child.oid),
       EXISTS (SELECT 1 FROM pg_catalog.pg_inherits AS below WHERE below.inhparent = child.oid),
       holding.attname::pg_catalog.text,
       held.attname::pg_catalog.text
FROM pg_catalog.pg_constraint AS link
JOIN pg_catalog.pg_class AS child ON child.oid = link.conrelid
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = child.relnamespace
CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(link.conkey), pg_catalog.unnest(link.confkey))
    WITH ORDINALITY AS pair (own, other, number)
JOIN pg_catalog.pg_attribute AS holding ON holding.attrelid = link.conrelid AND holding.attnum = pair.own
JOIN pg_catalog.pg_attribute AS held ON held.attrelid = link.confrelid AND held.attnum = pair.other
WHERE link.confrelid = {oid} AND link.contype = 'f' AND link.conparentid = 0
ORDER BY namespace.nspname, child.relname, link.conname, link.oid, pair.number
