-- Let foreign keys that wait for the end of the transaction be checked now: a table with checks to come is not altered.
-- Locks: nothing that anybody waits for.
SET CONSTRAINTS ALL IMMEDIATE
