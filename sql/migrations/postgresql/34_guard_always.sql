-- In every session, those with session_replication_role = replica too.
-- Locks: SHARE ROW EXCLUSIVE, held already.
ALTER TABLE {table} {enabled}
