-- Of some keys those that the table has, their text byte for byte, and that are their own folding: the same as odd_keys.sql.
-- Reads the table once a batch, or finds them by an index on the key; an ACCESS SHARE lock, held to the end of the audit.
SELECT {key_writing}, {key_written}, pg_catalog.min({joined_token}), pg_catalog.count(*)
FROM {table}
WHERE {where} AND NOT ({key_is_null}) AND {wanted} AND NOT ({key_is_odd})
GROUP BY {key_writing}
