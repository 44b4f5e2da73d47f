-- Take a trigger of the guard away.
-- Locks: ACCESS EXCLUSIVE, held already.
DROP TRIGGER IF EXISTS {trigger} ON {table}
