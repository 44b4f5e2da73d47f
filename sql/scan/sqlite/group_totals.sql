-- Rows of each kind: all, and those whose key has a NULL part. Reads the table once.
SELECT {group_counts}
FROM {table}
WHERE {where}
