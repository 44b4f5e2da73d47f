-- Rows are stored. All at once: see the function. Sessions with session_replication_role = replica have the next trigger.
-- Locks: SHARE ROW EXCLUSIVE, held already.
CREATE TRIGGER {trigger} AFTER INSERT ON {table}
REFERENCING NEW TABLE AS fresh
FOR EACH STATEMENT EXECUTE FUNCTION {function}()
