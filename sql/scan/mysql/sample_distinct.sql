-- For `init`: how many rows the sample has, and how many different values each candidate column has in it (NULL is none).
-- Returns one row. Reads the first rows in the order that the server likes; locks none.
SELECT COUNT(*){counts}
FROM (SELECT {columns} FROM {table} LIMIT {limit}) AS sample
