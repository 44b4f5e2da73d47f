-- The hashes of the keys in one range of the primary key, a line each: hash, TAB, primary key. Equal keys have equal
-- hashes; a key with a NULL part has no line. Returns one row: how many lines there are, and the lines. Reads the range
-- once, sorts nothing and locks no row.
SELECT COUNT(*), GROUP_CONCAT({token}, '	', {pk} SEPARATOR '
')
FROM {table} FORCE INDEX (PRIMARY)
WHERE {pk} BETWEEN {first} AND {end} AND {where} AND NOT ({key_is_null})
