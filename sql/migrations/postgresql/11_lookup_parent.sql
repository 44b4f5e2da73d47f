-- The lookup index of a partitioned table itself: it holds nothing, and partitions that come get theirs by it.
-- Locks: SHARE on this one table, for an instant: writes wait. CONCURRENTLY does not exist for a partitioned table, and
-- nothing is built here: that is why squawk's require-concurrent-index-creation is passed over.
CREATE INDEX {name} ON ONLY {table} ({key})
