-- Lock the table, for what DROP TRIGGER needs; a partitioned table with all its partitions.
-- Locks: ACCESS EXCLUSIVE, until the end of this transaction, which follows at once: reads and writes wait.
LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE
