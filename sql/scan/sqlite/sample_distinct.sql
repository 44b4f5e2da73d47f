-- For `init`: how many rows the sample has, and how many different values each candidate column has in it (NULL is none).
-- Returns one row. Reads the first ?1 rows in stored order, not along an index, which would bring equal values together;
-- a shared lock for as long as that takes.
SELECT COUNT(*){counts}
FROM (SELECT {columns} FROM {table} NOT INDEXED LIMIT ?1)
