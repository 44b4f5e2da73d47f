-- Rows of each kind, where there are too many kinds for one pass to count. Reads the table once; locks no row.
SELECT {kind}, COUNT(*)
FROM {table}
WHERE {where}
GROUP BY {kind}
