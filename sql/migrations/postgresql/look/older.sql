-- The transactions of this database that may have a snapshot by now: process, virtual transaction, and for people
-- application, role, state and since when. Of sessions whose snapshots the role may not see, all that are in a transaction.
-- Left out: this session, walsenders, vacuum, and the sides of a statement that its leader stands for.
-- Locks: nothing that anybody waits for.
SELECT held.pid::pg_catalog.int8,
       held.virtualtransaction,
       activity.application_name,
       activity.usename::pg_catalog.text,
       activity.state,
       pg_catalog.to_char(activity.xact_start, 'HH24:MI:SS')
FROM pg_catalog.pg_locks AS held
JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = held.pid
JOIN pg_catalog.pg_database AS here ON here.oid = activity.datid AND here.datname = pg_catalog.current_database()
WHERE held.locktype = 'virtualxid'
  AND held.granted
  AND held.mode = 'ExclusiveLock'
  AND held.pid <> pg_catalog.pg_backend_pid()
  AND activity.usesysid IS NOT NULL
  AND coalesce(activity.backend_type, '') NOT IN ('walsender', 'parallel worker', 'autovacuum worker')
  -- The type is NULL for a session that the role may not look into.
  AND (activity.backend_xmin IS NOT NULL OR activity.backend_type IS NULL)
  AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_stat_replication AS sender WHERE sender.pid = held.pid)
ORDER BY activity.xact_start, held.pid
