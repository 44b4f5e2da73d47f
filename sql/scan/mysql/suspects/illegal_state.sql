-- A status outside the known four, or none. Compared by bytes, whatever the column's collation.
{status_text} IS NULL
OR {status_text} NOT IN ('pending', 'uploading', 'completed', 'failed')
