-- What was done with each row, written in the transaction that did it. Locks: the table's name for an instant.
CREATE TABLE IF NOT EXISTS {table} (
  run varchar(40) NOT NULL,
  chunk bigint NOT NULL,
  seq bigint NOT NULL,
  line bigint NOT NULL,
  action varchar(20) NOT NULL,
  target text NOT NULL,
  pk mediumtext NOT NULL,
  hash_before varchar(64) NULL,
  hash_after varchar(64) NULL,
  note mediumtext NULL,
  PRIMARY KEY (run, chunk, seq)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
