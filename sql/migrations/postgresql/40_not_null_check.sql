-- Forbid NULL in the key for rows that come; those that are there are looked at in the next statement.
-- Locks: ACCESS EXCLUSIVE, for an instant: reads and writes wait.
ALTER TABLE {table} ADD CONSTRAINT {check} CHECK ({condition}) NOT VALID
