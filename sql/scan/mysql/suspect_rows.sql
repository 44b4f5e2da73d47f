-- The rows for which one suspect condition (suspects/*.sql) holds, the rows of one key together.
-- Returns the primary key, the key, and an upload's times and state; reads the table once and sorts the suspects.
SELECT {locator}, {key}, {time}, {updated}, {status}, {object_key}, {object_url}
FROM {table}
WHERE {where} AND ({condition})
ORDER BY {key_bytes}, {locator}
