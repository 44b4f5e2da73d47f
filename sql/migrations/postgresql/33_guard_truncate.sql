-- The table is emptied.
-- Locks: SHARE ROW EXCLUSIVE, held already.
CREATE TRIGGER {trigger} AFTER TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION {function}()
