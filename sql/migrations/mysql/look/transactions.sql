-- The transactions that are open: session, begin, seconds, isolation level, rows changed, user, host, statement.
-- One without a session was prepared (XA), or is shown a moment longer than it lived. Needs PROCESS. Locks nothing.
SELECT trx.trx_mysql_thread_id, trx.trx_started, TIMESTAMPDIFF(SECOND, trx.trx_started, NOW()),
       trx.trx_isolation_level, trx.trx_rows_modified, process.user, process.host,
       COALESCE(trx.trx_query, process.info), trx.trx_id
FROM information_schema.innodb_trx AS trx
LEFT JOIN information_schema.processlist AS process ON process.id = trx.trx_mysql_thread_id
WHERE trx.trx_mysql_thread_id NOT IN ({own})
  AND (process.id IS NOT NULL OR trx.trx_mysql_thread_id = 0)
ORDER BY trx.trx_started, trx.trx_mysql_thread_id
