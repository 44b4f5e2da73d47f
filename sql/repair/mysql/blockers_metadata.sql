-- Who holds the name of a table that a session waits for (ALTER, LOCK TABLES, an open transaction): as in blockers_mysql.
-- Needs performance_schema, which MariaDB has switched off unless told otherwise. Locks nothing.
SELECT DISTINCT blocking.processlist_id, blocking.processlist_user, blocking.processlist_host,
       blocking.processlist_command, blocking.processlist_time, NULL, blocking.processlist_info
FROM performance_schema.threads AS requesting
JOIN performance_schema.metadata_locks AS wanted
  ON wanted.owner_thread_id = requesting.thread_id AND wanted.lock_status = 'PENDING'
JOIN performance_schema.metadata_locks AS held
  ON held.object_type = wanted.object_type
 AND held.object_schema = wanted.object_schema
 AND held.object_name = wanted.object_name
 AND held.lock_status = 'GRANTED'
 AND held.owner_thread_id <> requesting.thread_id
JOIN performance_schema.threads AS blocking ON blocking.thread_id = held.owner_thread_id
WHERE requesting.processlist_id = {session}
LIMIT 3
