-- Read-only on the session too: alone, the transaction lets CREATE and DROP through, which commit it first. A consistent
-- snapshot needs REPEATABLE READ, or it is none, without a word on MariaDB. Locks nothing.
SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY
