-- Sessions that have waited for a metadata lock for a second or longer: number, user, and the statement that waits.
-- Runs on a connection of its own, reads no table and locks nothing. Without PROCESS it sees the role's own alone.
SELECT id, user, info
FROM information_schema.processlist
WHERE state LIKE 'Waiting for table metadata lock%' AND time >= 1 AND info IS NOT NULL
