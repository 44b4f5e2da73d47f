-- One row a run of `repair`: `state` and `position` say how far it is. Times are ISO 8601 in UTC.
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
)
