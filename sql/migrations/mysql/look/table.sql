-- A table's kind, storage engine, row format and bytes (rows and indexes). Locks nothing.
SELECT table_type, engine, row_format, data_length + index_length
FROM information_schema.tables
WHERE table_schema = {schema} AND table_name = {name}
