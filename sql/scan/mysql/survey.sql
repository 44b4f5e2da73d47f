-- How many rows there are, and for how many each suspect condition (suspects/*.sql) holds.
-- Returns one row. Reads the table once, sorts nothing and locks no row.
SELECT COUNT(*){counts}
FROM {table}
WHERE {where}
