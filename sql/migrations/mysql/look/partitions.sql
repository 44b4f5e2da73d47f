-- The partitions of a table, what they are partitioned by, and about how many rows each has. Locks nothing.
SELECT partition_name, subpartition_name, partition_expression, subpartition_expression, table_rows
FROM information_schema.partitions
WHERE table_schema = {schema} AND table_name = {name} AND partition_name IS NOT NULL
ORDER BY partition_ordinal_position, subpartition_ordinal_position
