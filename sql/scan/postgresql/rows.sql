-- All rows of a narrowed table, those of one key together: how often the key occurs among them, then the row. A value of
-- more than 256 bytes travels as a salted hash. Finds them along an index where one begins with the key, else reads the
-- table once; an ACCESS SHARE lock, held to the end of the run.
SELECT pg_catalog.count(*) OVER (PARTITION BY {key_plain}), {locator}, {key}, {time}, {kind}, {values}
FROM {table}
WHERE {where}
ORDER BY {key_plain}
