-- The first session that has waited for more than a second behind the audit's: its pid, application and table.
-- Looks at lock tables only; locks nothing that anybody waits for. Autovacuum steps back by itself and is left out.
SELECT waiting.pid, activity.application_name, waiting.relation::pg_catalog.regclass::pg_catalog.text
FROM pg_catalog.pg_locks AS waiting
LEFT JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = waiting.pid
WHERE NOT waiting.granted
  AND waiting.locktype = 'relation'
  AND %s = ANY (pg_catalog.pg_blocking_pids(waiting.pid))
  AND coalesce(activity.backend_type, '') <> 'autovacuum worker'
  AND coalesce(pg_catalog.clock_timestamp() - activity.query_start > interval '1 second', TRUE)
ORDER BY waiting.pid
LIMIT 1
