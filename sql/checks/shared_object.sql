-- Rows of several IDs that name one object; several rows of one ID are the scan's matter.
SELECT rows.rowid AS n, objects.size AS object_size, objects.modified AS object_modified, objects.etag AS object_etag
FROM (SELECT rowid, * FROM {look}.rows WHERE {part}) AS rows
JOIN (SELECT * FROM {look}.objects WHERE {part}) AS objects USING (h)
SEMI JOIN (
  SELECT h FROM {look}.rows WHERE judged AND {part} GROUP BY h HAVING MIN(ident) <> MAX(ident)
) AS several USING (h)
WHERE rows.judged AND {unprotected}
