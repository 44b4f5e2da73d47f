-- True where the table has no row that the configuration lets the audit see. Reads up to the first such row; an ACCESS
-- SHARE lock, held to the end of the audit.
SELECT NOT EXISTS (SELECT 1 FROM {table} WHERE {where})
