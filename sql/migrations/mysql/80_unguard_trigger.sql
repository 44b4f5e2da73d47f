-- Remove one of the guard's triggers.
-- Locks: the table's metadata exclusively, for an instant; it waits at most 1 s, and everybody behind it.
DROP TRIGGER IF EXISTS {trigger}
