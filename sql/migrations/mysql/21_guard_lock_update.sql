-- Before a row gets another key: lock that key in the side table, and see whether a row may have it already.
-- Why not EXISTS in an IF or a SET: InnoDB locks what those read, gaps too, and writers of new keys deadlock. What
-- SELECT … INTO reads it does not lock. ROW_COUNT() is 1 where the key is new to the side table.
-- Locks: the table's metadata exclusively, for an instant; it waits at most 1 s, and everybody behind it.
CREATE TRIGGER {trigger} BEFORE UPDATE ON {table} FOR EACH ROW
IF {key_is_changed} AND {new_is_whole} THEN
  INSERT INTO {side} ({names}) VALUES ({new}) ON DUPLICATE KEY UPDATE stored = stored + 1;
  SELECT ROW_COUNT() <> 1 OR EXISTS (SELECT 1 FROM {table} AS t FORCE INDEX ({lookup}) WHERE {row_is_new}), {new}
  INTO {doubtful}, {seen};
ELSE
  SET {doubtful} = 1;
END IF
