-- The audit's transaction: read-only on the session and on the transaction, and one consistent snapshot of all InnoDB
-- tables, which needs REPEATABLE READ. Locks no row; holds a shared metadata lock on each table that is read, so an
-- ALTER of it waits until the audit ends or gives way.
SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;
SET SESSION TRANSACTION READ ONLY;
START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY
