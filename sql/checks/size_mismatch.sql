-- Rows that give their object another size than it has.
SELECT rows.rowid AS n, objects.size AS object_size, objects.modified AS object_modified, objects.etag AS object_etag
FROM (SELECT rowid, * FROM {look}.rows WHERE {part}) AS rows
JOIN (SELECT * FROM {look}.objects WHERE {part}) AS objects USING (h)
WHERE rows.judged AND rows.state <> 1 AND rows.size <> objects.size AND {unprotected}
