-- Rows of each kind, where there are too many kinds for one pass to count. Reads the table once and hashes the kinds;
-- an ACCESS SHARE lock, held to the end of the audit.
SELECT {kind}, pg_catalog.count(*)
FROM {table}
WHERE {where}
GROUP BY 1
