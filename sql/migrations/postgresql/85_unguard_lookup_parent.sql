-- Drop the lookup index of a partitioned table, with those of its partitions. CONCURRENTLY does not exist for it: that is
-- why squawk's require-concurrent-index-deletion is passed over.
-- Locks: ACCESS EXCLUSIVE on the table and its partitions, for an instant: reads and writes wait.
DROP INDEX IF EXISTS {name}
