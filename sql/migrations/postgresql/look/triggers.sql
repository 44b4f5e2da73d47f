-- The triggers of a table and of its partitions, each once: name, its type's bits, how it is enabled. A foreign key's own
-- are left out.
-- Locks: nothing that anybody waits for.
SELECT DISTINCT fired.tgname::pg_catalog.text, fired.tgtype::pg_catalog.int4, fired.tgenabled::pg_catalog.text
FROM (
    SELECT {oid}::pg_catalog.oid AS oid
    UNION
    SELECT part.relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree({oid}) AS part
) AS asked
JOIN pg_catalog.pg_trigger AS fired ON fired.tgrelid = asked.oid
WHERE NOT fired.tgisinternal AND fired.tgparentid = 0 AND fired.tgenabled <> 'D'
ORDER BY 1
