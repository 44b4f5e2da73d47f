-- Whether the role sees statistics of others, how many standbys stream from here, and the seconds of the slowest; one
-- that has nothing left to replay has none. Reads statistics; locks nothing.
SELECT pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'),
       pg_catalog.count(standby.pid),
       coalesce(pg_catalog.max(pg_catalog.date_part('epoch', standby.replay_lag)), 0)::pg_catalog.float8
FROM pg_catalog.pg_stat_replication AS standby
WHERE standby.application_name <> 'pg_basebackup'
