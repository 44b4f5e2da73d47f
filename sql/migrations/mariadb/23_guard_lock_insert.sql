-- Before a row is stored: lock its key in the side table, and see whether a row may have it already.
-- As in mysql/, and a fifth cheaper: that the side table has the key already is noted while it is locked (an assignment
-- in an expression, which MySQL calls deprecated). EXISTS in an IF or a SET would lock the gaps it looks at.
-- Locks: the table's metadata exclusively, for an instant; it waits at most 1 s, and everybody behind it.
CREATE TRIGGER {trigger} BEFORE INSERT ON {table} FOR EACH ROW
IF {new_is_whole} THEN
  SET {doubtful} = 0, {noted};
  INSERT INTO {side} ({names}) VALUES ({new}) ON DUPLICATE KEY UPDATE stored = stored + ({doubtful} := 1);
  IF NOT {doubtful} THEN
    SELECT COUNT(*) INTO {doubtful} FROM {table} AS t FORCE INDEX ({lookup}) WHERE {row_is_new};
  END IF;
ELSE
  SET {doubtful} = 1;
END IF
