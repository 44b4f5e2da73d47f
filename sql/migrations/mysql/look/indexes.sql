-- The columns of a table's indexes, in their order; `sub_part` where an index holds only the beginning of a value.
-- Locks nothing.
SELECT index_name, non_unique, column_name, sub_part, {ignored}, index_type
FROM information_schema.statistics
WHERE table_schema = {schema} AND table_name = {name}
ORDER BY index_name, seq_in_index
