-- The parts of a guard that are there: kind (table, key, function, trigger), name, and of a function its body, of a
-- trigger the table's OID and how it is enabled.
-- Locks: nothing that anybody waits for.
SELECT 'table', side.relname::pg_catalog.text, NULL::pg_catalog.text, NULL::pg_catalog.int8
FROM pg_catalog.pg_class AS side
JOIN pg_catalog.pg_namespace AS space ON space.oid = side.relnamespace AND space.nspname = 'dedupaudit'
WHERE side.relname = {side} AND side.relkind = 'r'
UNION ALL
SELECT 'key', side.relname::pg_catalog.text, NULL, NULL
FROM pg_catalog.pg_class AS side
JOIN pg_catalog.pg_namespace AS space ON space.oid = side.relnamespace AND space.nspname = 'dedupaudit'
JOIN pg_catalog.pg_index AS key ON key.indrelid = side.oid AND key.indisunique AND key.indisvalid AND key.indpred IS NULL
WHERE side.relname = {side} AND side.relkind = 'r'
UNION ALL
SELECT 'function', function.proname::pg_catalog.text, function.prosrc, NULL
FROM pg_catalog.pg_proc AS function
JOIN pg_catalog.pg_namespace AS space ON space.oid = function.pronamespace AND space.nspname = 'dedupaudit'
WHERE function.proname IN ({functions}) AND function.pronargs = 0
UNION ALL
SELECT 'trigger', fired.tgname::pg_catalog.text, fired.tgenabled::pg_catalog.text, fired.tgrelid::pg_catalog.int8
FROM (
    SELECT {oid}::pg_catalog.oid AS oid
    UNION
    SELECT part.relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree({oid}) AS part
) AS asked
JOIN pg_catalog.pg_trigger AS fired ON fired.tgrelid = asked.oid AND fired.tgname IN ({triggers})
