-- Index the key, so that the guard finds a stored row at once.
-- Locks: the table's metadata exclusively, for an instant at its begin and its end: it waits at most 1 s for each, and
-- everybody behind it. In between everybody reads and writes on.
ALTER TABLE {table} ADD INDEX {name} ({key}), ALGORITHM=INPLACE, LOCK=NONE
