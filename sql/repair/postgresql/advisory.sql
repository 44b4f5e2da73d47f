-- The pids of the sessions of this database that hold an advisory lock (one 64-bit number). Locks nothing.
SELECT held.pid
FROM pg_catalog.pg_locks AS held
JOIN pg_catalog.pg_database AS database
  ON database.oid = held.database AND database.datname = pg_catalog.current_database()
WHERE held.locktype = 'advisory'
  AND held.granted
  AND held.objsubid = 1
  AND held.classid = {high}
  AND held.objid = {low}
