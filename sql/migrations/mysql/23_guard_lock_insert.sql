-- Before a row is stored: lock its key in the side table, and see whether a row may have it already.
-- Why not EXISTS in an IF or a SET: InnoDB locks what those read, gaps too, and writers of new keys deadlock. What
-- SELECT … INTO reads it does not lock. Why not ROW_COUNT(): in a trigger it tells of the statement before all this.
-- `stored` is 1 where this row is the first of its key under the guard.
-- Locks: the table's metadata exclusively, for an instant; it waits at most 1 s, and everybody behind it.
CREATE TRIGGER {trigger} BEFORE INSERT ON {table} FOR EACH ROW
IF {new_is_whole} THEN
  SET {doubtful} = 1;
  INSERT INTO {side} ({names}) VALUES ({new}) ON DUPLICATE KEY UPDATE stored = stored + 1;
  SELECT g.stored <> 1
         OR EXISTS (SELECT 1 FROM {table} AS t FORCE INDEX ({lookup}) WHERE {row_is_new}), {new}
  INTO {doubtful}, {seen}
  FROM {side} AS g WHERE {entry_is_new};
ELSE
  SET {doubtful} = 1;
END IF
