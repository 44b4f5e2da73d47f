-- Look at all rows that are there.
-- Locks: SHARE UPDATE EXCLUSIVE: everybody reads and writes on.
-- It may be run again at any time: squawk's prefer-robust-stmts is passed over.
ALTER TABLE {table} VALIDATE CONSTRAINT {check}
