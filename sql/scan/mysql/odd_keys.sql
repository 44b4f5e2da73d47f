-- Keys, told apart byte by byte, for which a condition holds: each with a number that is equal for keys that the
-- column's own equality joins, and its rows. Reads the table once and sorts those keys; locks no row.
SELECT {key}, {joined}, COUNT(*)
FROM {table}
WHERE {where} AND NOT ({key_is_null}) AND ({condition})
GROUP BY {key_bytes}
