-- A row is stored.
-- Locks: SHARE ROW EXCLUSIVE, held already.
CREATE TRIGGER {trigger} AFTER INSERT ON {table}
FOR EACH ROW WHEN ({new_is_whole}) EXECUTE FUNCTION {function}()
