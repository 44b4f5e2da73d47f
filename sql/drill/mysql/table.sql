-- A table's storage engine, and whether it is partitioned. Locks nothing.
SELECT engine, nullif(instr(lower(create_options), 'partitioned'), 0)
FROM information_schema.tables
WHERE table_schema = {schema} AND table_name = {name}
