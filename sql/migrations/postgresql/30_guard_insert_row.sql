-- A row is stored: in a partitioned table, which has no transition tables for what is stored in a partition by its name,
-- and by logical replication, which fires no triggers of statements (there the trigger is enabled for replicas alone).
-- Locks: SHARE ROW EXCLUSIVE, held already.
CREATE TRIGGER {trigger} AFTER INSERT ON {table}
FOR EACH ROW WHEN ({new_is_whole}) EXECUTE FUNCTION {function}()
