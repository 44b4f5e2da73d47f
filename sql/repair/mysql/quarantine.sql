-- Rows that a repair took out of a table, or changed, whole and as they were. Its columns are the table's, of the same
-- types, each may be NULL, and none has a default. The primary key is for replicas: without one they look through all
-- of it for each row that an undo takes out. Locks: the table's name for an instant.
CREATE TABLE IF NOT EXISTS {table} (
  dedupaudit_id bigint unsigned NOT NULL AUTO_INCREMENT,
  dedupaudit_run varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  dedupaudit_chunk bigint NOT NULL,
  dedupaudit_step int NOT NULL,
  dedupaudit_role varchar(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  {columns},
  PRIMARY KEY (dedupaudit_id),
  KEY dedupaudit_run (dedupaudit_run, dedupaudit_chunk)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
