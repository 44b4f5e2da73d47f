-- Nobody else has a right on the side table; triggers write it by their owner's right.
-- Locks: nothing that anybody waits for.
REVOKE ALL ON {side} FROM PUBLIC
