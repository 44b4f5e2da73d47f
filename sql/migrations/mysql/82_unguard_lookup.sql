-- Remove the lookup index: the unique index is there for every search that it was good for.
-- Locks: the table's metadata exclusively, for an instant; it waits at most 1 s, and everybody behind it.
ALTER TABLE {table} DROP INDEX {name}, ALGORITHM=INPLACE, LOCK=NONE
