-- Forbid NULL in the key. Each column keeps the rest of its definition; the table is rebuilt beside the writers.
-- Needs a strict sql_mode, or a NULL would become an empty text.
-- Locks: the table's metadata exclusively, for an instant at its begin and its end: it waits at most 1 s for each.
ALTER TABLE {table} {columns}, ALGORITHM=INPLACE, LOCK=NONE
