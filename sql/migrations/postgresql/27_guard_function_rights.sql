-- Nobody may put the guard's function on a table of his own; triggers that are there need no such right.
-- Locks: nothing that anybody waits for.
REVOKE ALL ON FUNCTION {function}() FROM PUBLIC
