-- Let no writer be in the middle of something when the triggers come; a partitioned table with all its partitions.
-- Locks: SHARE ROW EXCLUSIVE, until the end of this transaction, which follows at once: writes wait, reads go on.
LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE
