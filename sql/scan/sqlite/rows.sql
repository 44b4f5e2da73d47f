-- All rows of a narrowed table, those of one key together: how often the key occurs among them, then the row. A value of
-- more than 256 characters travels as a keyed hash. Finds them along an index where one begins with the key, else reads
-- the table once.
SELECT COUNT(*) OVER (PARTITION BY {key_grouping}), {locator}, {key}, {time}, {group}, {values}
FROM {table}
WHERE {where}
ORDER BY {key_grouping}
