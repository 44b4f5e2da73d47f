-- Some rows by rowid, for comparison. A value of more than 256 characters travels as a keyed hash.
SELECT {rowid}, {locator}, {key}, {time}, {group}, {values}
FROM {table}
WHERE {rowid} IN ({rowids})
