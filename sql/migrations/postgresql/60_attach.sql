-- Make the index that is built the constraint.
-- Locks: ACCESS EXCLUSIVE, for an instant: reads and writes wait.
ALTER TABLE {table} ADD CONSTRAINT {constraint} UNIQUE USING INDEX {constraint}
