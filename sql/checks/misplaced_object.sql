-- Rows whose object key is not what the template says, or whose URL leads to another key.
SELECT rows.rowid AS n, objects.size AS object_size, objects.modified AS object_modified, objects.etag AS object_etag
FROM (SELECT rowid, * FROM {look}.rows WHERE (expected IS NOT NULL OR url IS NOT NULL) AND {part}) AS rows
LEFT JOIN (SELECT * FROM {look}.objects WHERE {part}) AS objects USING (h)
WHERE rows.judged AND {unprotected}
