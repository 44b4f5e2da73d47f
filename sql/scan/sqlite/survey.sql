-- How many rows there are, and for how many each suspect condition (suspects/*.sql) holds.
-- Returns one row. Reads the table once, sorts nothing; a shared lock for as long as it runs.
SELECT COUNT(*){counts}
FROM {table}
WHERE {where}
