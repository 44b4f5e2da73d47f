-- Drop a function of the guard.
-- Locks: nothing that anybody waits for.
DROP FUNCTION IF EXISTS {function}()
