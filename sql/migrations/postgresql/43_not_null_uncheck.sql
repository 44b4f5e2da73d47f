-- The CHECK has done its work.
-- Locks: ACCESS EXCLUSIVE, for an instant: reads and writes wait.
ALTER TABLE {table} DROP CONSTRAINT {check}
