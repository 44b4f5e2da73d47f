-- Rows of each kind whose key has a NULL part. Reads the table once; an ACCESS SHARE lock, held to the end of the audit.
SELECT {kind}, pg_catalog.count(*)
FROM {table}
WHERE {where} AND ({key_is_null})
GROUP BY 1
