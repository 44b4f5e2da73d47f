-- Look at all rows that are there.
-- Locks: SHARE UPDATE EXCLUSIVE: everybody reads and writes on.
ALTER TABLE {table} VALIDATE CONSTRAINT {check}
