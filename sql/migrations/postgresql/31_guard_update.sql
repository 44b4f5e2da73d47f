-- A row's key is changed: its bytes, whatever its type calls equal, for that is compared without any operator of a user.
-- An UPDATE that sets the key to what it was, as ORMs send it, calls nothing.
-- Locks: SHARE ROW EXCLUSIVE, held already.
CREATE TRIGGER {trigger} AFTER UPDATE ON {table}
FOR EACH ROW WHEN ({key_is_changed}) EXECUTE FUNCTION {function}()
