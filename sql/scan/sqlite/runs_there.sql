-- The tool's own table of runs, where it is there as a table. Reads the schema; a shared lock for as long as it runs.
SELECT name
FROM main.sqlite_master
WHERE type = 'table' AND name = 'dedupaudit_runs'
