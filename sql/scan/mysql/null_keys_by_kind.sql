-- Rows of each kind whose key has a NULL part. Reads the table once and sorts those rows; locks no row.
SELECT {kind}, COUNT(*)
FROM {table}
WHERE {where} AND ({key_is_null})
GROUP BY {kind}
