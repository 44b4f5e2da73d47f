-- The guard's side table: a row for each key that is stored from now on. Whoever stores a key locks its row.
-- A row that stays behind (a statement that failed, a DELETE, a TRUNCATE) is harmless: it only says "look closely".
-- Locks: nothing.
CREATE TABLE {side} (
  {columns},
  stored BIGINT UNSIGNED NOT NULL DEFAULT 1,
  PRIMARY KEY ({names})
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC COMMENT={comment}
