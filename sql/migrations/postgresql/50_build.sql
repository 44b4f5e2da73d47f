-- Build the unique index.
-- Locks: SHARE UPDATE EXCLUSIVE: everybody reads and writes on. It waits, three times, until transactions that are open
-- have ended; that wait is without a limit (`lock_timeout = 0`), for a limit would leave an invalid index behind.
-- Never IF NOT EXISTS, which is content with an invalid index: the tool looks before, and squawk's prefer-robust-stmts is
-- passed over.
CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} ({key})
