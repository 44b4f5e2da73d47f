-- Remove the constraint, which is no more than its index.
-- Locks: the table's metadata exclusively, for an instant; it waits at most 1 s, and everybody behind it.
ALTER TABLE {table} DROP INDEX {name}, ALGORITHM=INPLACE, LOCK=NONE
