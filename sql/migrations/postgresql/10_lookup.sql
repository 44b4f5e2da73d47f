-- Index the key, so that the guard finds a stored row at once.
-- Locks: SHARE UPDATE EXCLUSIVE: everybody reads and writes on. It waits, twice, until transactions that are open have
-- ended; that wait is without a limit (`lock_timeout = 0`), for a limit would leave an invalid index behind.
-- Never IF NOT EXISTS, which is content with an invalid index: the tool looks before, and squawk's prefer-robust-stmts is
-- passed over.
CREATE INDEX CONCURRENTLY {name} ON {table} ({key})
