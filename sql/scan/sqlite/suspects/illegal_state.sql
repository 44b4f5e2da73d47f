-- A status outside the known four, or none. Compared by bytes, whatever the column's collation.
{status} IS NULL
OR {status} COLLATE BINARY NOT IN ('pending', 'uploading', 'completed', 'failed')
