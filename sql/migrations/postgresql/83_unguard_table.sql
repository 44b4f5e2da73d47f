-- Drop the side table. It is the tool's own: squawk's ban-drop-table is passed over.
-- Locks: the side table, which nobody writes any more.
DROP TABLE IF EXISTS {side}
