-- What decides whether this session may write: its pid, whether the server is a standby, whether transactions are read
-- only unless told otherwise, and whether triggers and foreign keys work as for everybody. Locks nothing.
SELECT pg_catalog.pg_backend_pid(),
       pg_catalog.pg_is_in_recovery(),
       pg_catalog.current_setting('default_transaction_read_only') = 'on',
       pg_catalog.current_setting('session_replication_role')
