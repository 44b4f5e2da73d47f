-- Whether the role sees statistics of others, and how many clients but this one work at this moment. Locks nothing.
SELECT pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'), pg_catalog.count(*)
FROM pg_catalog.pg_stat_activity AS activity
WHERE activity.state = 'active'
  AND activity.backend_type = 'client backend'
  AND activity.pid NOT IN ({pids})
