-- The tool's own schema, where it does not exist yet.
-- Locks: nothing that anybody waits for.
CREATE SCHEMA dedupaudit
