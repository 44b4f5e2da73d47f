-- How many rows a query of hashes has, and SHA-256 of the hashes, sorted and joined.
-- Locks what the query locks.
SELECT
  pg_catalog.count(*),
  pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(
    coalesce(pg_catalog.string_agg(h, '' ORDER BY h COLLATE "C"), ''), 'UTF8'
  )), 'hex')
FROM (
  {hashed}
) AS hashed
