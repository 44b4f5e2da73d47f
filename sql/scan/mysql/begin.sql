-- The audit's transaction, after session.sql: one consistent snapshot of all InnoDB tables. Locks no row; holds a shared
-- metadata lock on each table that is read, so an ALTER of it waits until the audit ends or gives way.
START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY
