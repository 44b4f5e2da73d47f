-- Take the constraint back; a partitioned table's with those of its partitions.
-- Locks: ACCESS EXCLUSIVE, for an instant: reads and writes wait.
ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {constraint}
