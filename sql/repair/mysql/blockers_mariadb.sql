-- Who holds the row locks that a session waits for: its number, user, host, state, seconds, transaction's begin, statement.
-- Needs PROCESS. Locks nothing.
SELECT blocking.trx_mysql_thread_id, process.user, process.host, process.command, process.time,
       blocking.trx_started, COALESCE(blocking.trx_query, process.info)
FROM information_schema.innodb_trx AS requesting
JOIN information_schema.innodb_lock_waits AS waits ON waits.requesting_trx_id = requesting.trx_id
JOIN information_schema.innodb_trx AS blocking ON blocking.trx_id = waits.blocking_trx_id
LEFT JOIN information_schema.processlist AS process ON process.id = blocking.trx_mysql_thread_id
WHERE requesting.trx_mysql_thread_id = {session}
LIMIT 3
