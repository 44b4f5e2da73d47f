-- A row is deleted: its key is free.
-- Locks: SHARE ROW EXCLUSIVE, held already.
CREATE TRIGGER {trigger} AFTER DELETE ON {table}
FOR EACH ROW WHEN ({old_is_whole}) EXECUTE FUNCTION {function}()
