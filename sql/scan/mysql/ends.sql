-- The first and the last number of the primary key. Looks into its index twice; locks no row.
SELECT MIN({pk}), MAX({pk})
FROM {table}
WHERE {condition}
