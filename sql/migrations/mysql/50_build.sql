-- Build the unique index. Where a duplicate is met it is wholly rolled back, at its end (error 1062).
-- Locks: the table's metadata exclusively, for an instant at its begin and its end: it waits at most 1 s for each, and
-- everybody behind it. In between everybody reads and writes on.
ALTER TABLE {table} ADD UNIQUE INDEX {name} ({key}), ALGORITHM=INPLACE, LOCK=NONE
