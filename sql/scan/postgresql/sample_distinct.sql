-- For `init`: how many rows the sample has, and how many different values each candidate column has in it (NULL is none).
-- Returns one row. Reads the first rows in stored order; an ACCESS SHARE lock, held to the end of the run.
SELECT pg_catalog.count(*){counts}
FROM (SELECT {columns} FROM {table} LIMIT {limit}) AS sample
