-- After a row got another key: where a row may have had it already, look at what is stored now, and refuse a duplicate.
-- A key that another trigger rewrote in between is locked here, as late as it is known.
-- Locks: the table's metadata exclusively, for an instant; it waits at most 1 s, and everybody behind it.
CREATE TRIGGER {trigger} AFTER UPDATE ON {table} FOR EACH ROW
IF {key_is_changed} AND {new_is_whole} AND (COALESCE({doubtful}, 1) OR NOT ({new_is_seen})) THEN
  IF NOT ({new_is_seen}) THEN
    INSERT INTO {side} ({names}) VALUES ({new}) ON DUPLICATE KEY UPDATE stored = stored + 1;
  END IF;
  IF (SELECT COUNT(*) FROM {table} AS stored_now FORCE INDEX ({lookup})
      WHERE {row_now_is_new} LOCK IN SHARE MODE) > 1 THEN
    SIGNAL SQLSTATE '23000' SET MYSQL_ERRNO = 1062, MESSAGE_TEXT = {message};
  END IF;
END IF
