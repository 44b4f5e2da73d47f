-- The partitions of a table, levels before what is below them: schema, name, kind, whether it is a leaf, the schema and
-- name of the table above, and the planner's rows. No row where the table has none.
-- Locks: nothing that anybody waits for.
SELECT space.nspname::pg_catalog.text,
       part.relname::pg_catalog.text,
       part.relkind::pg_catalog.text,
       tree.isleaf,
       above_space.nspname::pg_catalog.text,
       above.relname::pg_catalog.text,
       part.reltuples::pg_catalog.int8
FROM pg_catalog.pg_partition_tree({oid}) AS tree
JOIN pg_catalog.pg_class AS part ON part.oid = tree.relid
JOIN pg_catalog.pg_namespace AS space ON space.oid = part.relnamespace
JOIN pg_catalog.pg_class AS above ON above.oid = tree.parentrelid
JOIN pg_catalog.pg_namespace AS above_space ON above_space.oid = above.relnamespace
ORDER BY tree.level, 1, 2
