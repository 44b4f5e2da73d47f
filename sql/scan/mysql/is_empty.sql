-- 1 where the table has no row that the configuration lets the audit see. Stops at the first row; locks none.
SELECT NOT EXISTS (SELECT 1 FROM {table} WHERE {where})
