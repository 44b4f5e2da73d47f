-- The triggers and rules of some tables and their partitions that a DELETE, an UPDATE or an INSERT fires: the table asked
-- about, name, the table it is on, and whether each of the three fires it. Those that are disabled, and those of
-- replicas alone, are left out; so are a foreign key's own. Reads the catalog; locks nothing that anybody waits for.
WITH asked AS (
    SELECT pg_catalog.unnest(ARRAY[{oids}]::pg_catalog.oid[]) AS oid
),
stored AS (
    SELECT asked.oid AS root, asked.oid FROM asked
    UNION
    SELECT asked.oid, part.relid::pg_catalog.oid
    FROM asked
    CROSS JOIN LATERAL pg_catalog.pg_partition_tree(asked.oid) AS part
),
fired AS (
    SELECT trigger.tgrelid AS oid, trigger.tgname AS name, trigger.tgtype & 8 <> 0 AS deletes,
           trigger.tgtype & 16 <> 0 AS updates, trigger.tgtype & 4 <> 0 AS inserts
    FROM pg_catalog.pg_trigger AS trigger
    WHERE NOT trigger.tgisinternal AND trigger.tgenabled IN ('O', 'A') AND trigger.tgparentid = 0
    UNION ALL
    SELECT rule.ev_class, rule.rulename, rule.ev_type = '4', rule.ev_type = '2', rule.ev_type = '3'
    FROM pg_catalog.pg_rewrite AS rule
    WHERE rule.ev_enabled IN ('O', 'A')
)
SELECT stored.root::pg_catalog.int8,
       fired.name::pg_catalog.text,
       stored.oid::pg_catalog.regclass::pg_catalog.text,
       fired.deletes,
       fired.updates,
       fired.inserts
FROM stored
JOIN fired ON fired.oid = stored.oid
WHERE fired.deletes OR fired.updates OR fired.inserts
ORDER BY 3, 2
