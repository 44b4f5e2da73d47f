-- How a column's own collation orders some texts: whether each comes before another. Returns one row.
-- Reads no row; an ACCESS SHARE lock, held to the end of the audit or its next snapshot.
SELECT {columns}
FROM (SELECT (SELECT {column} FROM {table} WHERE FALSE) AS nothing) AS held
