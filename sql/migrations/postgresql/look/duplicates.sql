-- How many keys occur more than once, by the equality that a unique index goes by.
-- Locks: ACCESS SHARE: everybody reads and writes on.
SELECT pg_catalog.count(*)
FROM (
    SELECT 1 FROM {table} AS t WHERE {whole} GROUP BY {key} HAVING pg_catalog.count(*) > 1
) AS repeated
