-- Who holds the row locks that a session waits for: its number, user, host, state, seconds, transaction's begin, statement.
-- Needs PROCESS and SELECT on performance_schema. Locks nothing.
SELECT blocking.processlist_id, blocking.processlist_user, blocking.processlist_host, blocking.processlist_command,
       blocking.processlist_time, trx.trx_started, blocking.processlist_info
FROM performance_schema.threads AS requesting
JOIN performance_schema.data_lock_waits AS waits ON waits.requesting_thread_id = requesting.thread_id
JOIN performance_schema.threads AS blocking ON blocking.thread_id = waits.blocking_thread_id
LEFT JOIN information_schema.innodb_trx AS trx ON trx.trx_mysql_thread_id = blocking.processlist_id
WHERE requesting.processlist_id = {session}
LIMIT 3
