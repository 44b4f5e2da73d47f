-- Who works on a table, until when (`expires`, seconds since 1970): SQLite has no lock that outlives a statement.
-- Locks: the database for an instant.
CREATE TABLE IF NOT EXISTS main.dedupaudit_locks (
  name TEXT PRIMARY KEY NOT NULL,
  holder TEXT NOT NULL,
  host TEXT NOT NULL,
  process INTEGER NOT NULL,
  begun TEXT NOT NULL,
  expires REAL NOT NULL
)
