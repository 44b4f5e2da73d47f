-- Rows that should have their object, and it is not there. A row whose upload is under way or failed expects none.
SELECT rows.rowid AS n, NULL AS object_size, NULL AS object_modified, NULL AS object_etag
FROM (SELECT rowid, * FROM {look}.rows WHERE {part}) AS rows
ANTI JOIN (SELECT h FROM {look}.objects WHERE {part}) AS objects USING (h)
WHERE rows.h IS NOT NULL AND rows.judged AND rows.state <> 1 AND {unprotected}
