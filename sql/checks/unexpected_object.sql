-- Rows that are pending, uploading or failed although their object is there. Where another row of the same ID is
-- completed with that object, the object is that row's, and the rows are duplicates: the scan's matter.
SELECT rows.rowid AS n, objects.size AS object_size, objects.modified AS object_modified, objects.etag AS object_etag
FROM (SELECT rowid, * FROM {look}.rows WHERE {part}) AS rows
JOIN (SELECT * FROM {look}.objects WHERE {part}) AS objects USING (h)
ANTI JOIN (SELECT h, ident FROM {look}.rows WHERE state <> 1 AND {part}) AS owner ON owner.h = rows.h AND owner.ident = rows.ident
WHERE rows.judged AND rows.state = 1 AND {unprotected}
