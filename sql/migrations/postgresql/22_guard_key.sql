-- What arbitrates: of two sessions that store one key at once, the second waits here for the first, whatever its
-- isolation level and its snapshot are. The table was made in this transaction and is empty: nothing to do concurrently.
-- Locks: the side table, which nobody knows yet.
CREATE UNIQUE INDEX ON {side} ({names})
