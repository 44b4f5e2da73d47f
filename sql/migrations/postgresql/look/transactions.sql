-- The oldest transaction of this database and the one with the oldest snapshot, for each: which of the two it is,
-- seconds, pid, application, role, state. Of sessions that the role may not look into nothing is known.
-- Locks: nothing that anybody waits for.
WITH open AS (
    SELECT pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - activity.xact_start) AS seconds,
           activity.pid, activity.application_name, activity.usename, activity.state, activity.backend_xmin
    FROM pg_catalog.pg_stat_activity AS activity
    WHERE activity.datname = pg_catalog.current_database()
      AND activity.pid <> pg_catalog.pg_backend_pid()
      AND activity.xact_start IS NOT NULL
      -- The tool's own sessions beside this one.
      AND (activity.application_name, activity.client_addr) IS DISTINCT FROM ('dedupaudit', pg_catalog.inet_client_addr())
      AND activity.backend_type NOT IN ('walsender', 'parallel worker', 'autovacuum worker')
)
(
    SELECT 'transaction', seconds::pg_catalog.float8, pid::pg_catalog.int8, application_name,
           usename::pg_catalog.text, state
    FROM open ORDER BY seconds DESC LIMIT 1
)
UNION ALL
(
    SELECT 'snapshot', seconds::pg_catalog.float8, pid::pg_catalog.int8, application_name,
           usename::pg_catalog.text, state
    FROM open WHERE backend_xmin IS NOT NULL ORDER BY pg_catalog.age(backend_xmin) DESC, seconds DESC LIMIT 1
)
