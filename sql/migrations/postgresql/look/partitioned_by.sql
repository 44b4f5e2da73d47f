-- What a table and each level below it are partitioned by: columns, or the SQL of expressions.
-- Locks: nothing that anybody waits for.
SELECT DISTINCT coalesce(
           attribute.attname::pg_catalog.text,
           pg_catalog.pg_get_partkeydef(tree.relid::pg_catalog.oid)
       )
FROM pg_catalog.pg_partition_tree({oid}) AS tree
JOIN pg_catalog.pg_partitioned_table AS parted ON parted.partrelid = tree.relid
CROSS JOIN LATERAL pg_catalog.unnest(parted.partattrs::pg_catalog.int2[]) AS part (number)
LEFT JOIN pg_catalog.pg_attribute AS attribute
       ON attribute.attrelid = parted.partrelid AND attribute.attnum = part.number AND part.number <> 0
ORDER BY 1
