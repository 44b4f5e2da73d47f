-- Moves rows into quarantine: what is deleted is what is copied, whatever other sessions do. Returns how many rows were
-- copied, and SHA-256 of their hashes, made of the copies, sorted and joined.
-- Locks the rows, until the transaction ends.
WITH gone AS (
  DELETE FROM {table} AS t
  WHERE {condition}
  RETURNING {taken}
),
copied AS (
  INSERT INTO {quarantine} AS q ({into})
  SELECT {own}, gone.* FROM gone
  RETURNING {hash} AS h
)
SELECT
  pg_catalog.count(*),
  pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(
    coalesce(pg_catalog.string_agg(h, '' ORDER BY h COLLATE "C"), ''), 'UTF8'
  )), 'hex')
FROM copied
