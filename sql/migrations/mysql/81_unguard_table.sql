-- Remove the guard's side table. No trigger writes to it any more.
-- Locks: the side table, which nobody uses any more.
DROP TABLE IF EXISTS {side}
