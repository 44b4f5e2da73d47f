-- One line a row that `repair` touched, written in the transaction that changed it.
-- Locks: the database for an instant.
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
)
