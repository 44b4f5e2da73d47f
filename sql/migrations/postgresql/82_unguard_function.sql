-- Drop a function of the guard. It is the tool's own: squawk's ban-drop-function is passed over.
-- Locks: nothing that anybody waits for.
DROP FUNCTION IF EXISTS {function}()
