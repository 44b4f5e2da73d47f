-- Copies a stored row, all but what SQLite gives itself: the unique index must refuse it. Rolled back whatever happens.
-- OR ABORT: a constraint that was declared ON CONFLICT REPLACE would delete the stored row and accept the copy.
-- Locks: none beyond the transaction's.
INSERT OR ABORT INTO {table} ({columns})
SELECT {columns}
FROM {table} NOT INDEXED
WHERE {key_is_known}
LIMIT 1
