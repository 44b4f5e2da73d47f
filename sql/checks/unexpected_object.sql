-- Rows that are pending, uploading or failed although their object is there.
SELECT rows.rowid AS n, objects.size AS object_size, objects.modified AS object_modified, objects.etag AS object_etag
FROM {look}.rows AS rows JOIN {look}.objects AS objects USING (h)
WHERE rows.judged AND rows.state = 1 AND {unprotected}
