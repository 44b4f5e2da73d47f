-- All rows of a narrowed table, those of one key together: how often the key occurs among them, the number of the key,
-- the row. A value of more than 256 bytes travels as a salted hash. Finds them along an index where one begins with the
-- key, else reads the table once; locks no row, holds a shared metadata lock.
SELECT COUNT(*) OVER (PARTITION BY {key_grouping}) AS `dedupaudit n`,
       DENSE_RANK() OVER (ORDER BY {key_grouping}) AS `dedupaudit group`,
       {locator}, {key}, {time}, {group}, {values}
FROM {table}
WHERE {where}
ORDER BY `dedupaudit group`
