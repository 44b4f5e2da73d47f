-- The tool's own table of runs, where the login may see it as a table. Reads the catalog; locks nothing.
SELECT table_name
FROM information_schema.tables
WHERE table_schema = DATABASE() AND table_name = 'dedupaudit_runs' AND table_type = 'BASE TABLE'
