-- Some rows whose keys have equal hashes: how often the key occurs among them, by the columns' own equality, the number
-- of the key, the row. All rows of a hash are asked for at once, so the count is that of the whole table. Reads them by
-- primary key and sorts them; locks no row.
SELECT COUNT(*) OVER (PARTITION BY {key_grouping}) AS `dedupaudit n`,
       DENSE_RANK() OVER (ORDER BY {key_grouping}) AS `dedupaudit group`,
       {locator}, {key}, {time}, {group}, {values}
FROM {table}
WHERE {condition} AND {where} AND NOT ({key_is_null})
ORDER BY `dedupaudit group`
