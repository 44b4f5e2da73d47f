-- How many rows there are, and for how many each suspect condition (suspects/*.sql) holds.
-- Returns one row. Reads the table once, with parallel workers where the server gives them; an ACCESS SHARE lock,
-- held to the end of the audit.
SELECT pg_catalog.count(*){counts}
FROM {table}
WHERE {where}
