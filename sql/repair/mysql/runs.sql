-- One row a run: `state` and `position` say how far it is, `token` whose it is. Times are ISO 8601 in UTC.
-- Locks: the table's name for an instant.
CREATE TABLE IF NOT EXISTS {table} (
  id varchar(40) NOT NULL,
  plan varchar(64) NOT NULL,
  table_name text NOT NULL,
  table_real text NOT NULL,
  columns mediumtext NOT NULL,
  state varchar(20) NOT NULL,
  token bigint NOT NULL,
  who text NOT NULL,
  host text NOT NULL,
  process bigint NOT NULL,
  version varchar(100) NOT NULL,
  started_at varchar(40) NOT NULL,
  updated_at varchar(40) NOT NULL,
  finished_at varchar(40) NULL,
  position bigint NOT NULL,
  chunks bigint NOT NULL,
  groups_done bigint NOT NULL,
  groups_skipped bigint NOT NULL,
  rows_kept bigint NOT NULL,
  rows_deleted bigint NOT NULL,
  rows_merged bigint NOT NULL,
  children_repointed bigint NOT NULL,
  proof mediumtext NULL,
  message mediumtext NULL,
  PRIMARY KEY (id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
