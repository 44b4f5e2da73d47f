-- The CHECK has done its work. It is the tool's own: squawk's ban-drop-constraint is passed over.
-- Locks: ACCESS EXCLUSIVE, for an instant: reads and writes wait.
ALTER TABLE {table} DROP CONSTRAINT {check}
