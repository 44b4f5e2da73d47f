-- Who a session waits for: pid (0 for a prepared transaction), application, role, state, since when, its last statement.
-- Looks at lock tables and statistics only; locks nothing that anybody waits for.
SELECT DISTINCT blocking.pid,
       activity.application_name,
       activity.usename::pg_catalog.text,
       activity.state,
       pg_catalog.to_char(activity.query_start, 'HH24:MI:SS'),
       pg_catalog.left(activity.query, 200)
FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids({pid})) AS blocking (pid)
LEFT JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = blocking.pid
ORDER BY blocking.pid
LIMIT 3
