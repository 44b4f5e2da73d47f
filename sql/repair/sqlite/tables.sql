-- What `repair` keeps of itself. runs: one row a run, `state` and `position` say how far it is. journal: what was done
-- with each row, in the transaction that did it. locks: who works on a table, until when. Times are ISO 8601 in UTC.
-- Locks: the database for an instant.
CREATE TABLE IF NOT EXISTS main.dedupaudit_runs (
  id TEXT PRIMARY KEY NOT NULL,
  plan TEXT NOT NULL,
  table_name TEXT NOT NULL,
  table_real TEXT NOT NULL,
  columns TEXT NOT NULL,
  state TEXT NOT NULL,
  token INTEGER NOT NULL,
  who TEXT NOT NULL,
  host TEXT NOT NULL,
  process INTEGER NOT NULL,
  version TEXT NOT NULL,
  started_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  finished_at TEXT,
  position INTEGER NOT NULL,
  chunks INTEGER NOT NULL,
  groups_done INTEGER NOT NULL,
  groups_skipped INTEGER NOT NULL,
  rows_kept INTEGER NOT NULL,
  rows_deleted INTEGER NOT NULL,
  rows_merged INTEGER NOT NULL,
  children_repointed INTEGER NOT NULL,
  proof TEXT,
  message TEXT
);
CREATE TABLE IF NOT EXISTS main.dedupaudit_journal (
  run TEXT NOT NULL,
  chunk INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  line INTEGER NOT NULL,
  action TEXT NOT NULL,
  target TEXT NOT NULL,
  pk TEXT NOT NULL,
  hash_before TEXT,
  hash_after TEXT,
  note TEXT,
  PRIMARY KEY (run, chunk, seq)
);
CREATE TABLE IF NOT EXISTS main.dedupaudit_locks (
  name TEXT PRIMARY KEY NOT NULL,
  holder TEXT NOT NULL,
  host TEXT NOT NULL,
  process INTEGER NOT NULL,
  begun TEXT NOT NULL,
  expires REAL NOT NULL
)
