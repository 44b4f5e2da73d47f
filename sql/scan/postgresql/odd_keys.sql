-- The keys that may not be their own folding (suspects/near_equal_ids.sql), by the bytes of their text: what tells
-- them apart (a hash, of types whose equal values may be written differently), the key as it is shown, a token that is equal
-- for keys that are equal to the database, and its rows. Reads the table once and groups the suspects. An ACCESS SHARE lock,
-- held to the end of the audit.
SELECT {key_writing}, {key_written}, pg_catalog.min({joined_token}), pg_catalog.count(*)
FROM {table}
WHERE {where} AND NOT ({key_is_null}) AND ({key_is_odd})
GROUP BY {key_writing}
