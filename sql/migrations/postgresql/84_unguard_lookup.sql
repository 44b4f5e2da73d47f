-- Drop the lookup index.
-- Locks: SHARE UPDATE EXCLUSIVE: everybody reads and writes on; it waits, without a limit, for transactions that use it.
DROP INDEX CONCURRENTLY IF EXISTS {name}
