-- READ COMMITTED: rows that a condition looks at and does not take are not left locked, and gaps are not locked at all.
-- Locks nothing.
SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE
