-- The rows for which one suspect condition (suspects/*.sql) holds, the rows of one key together.
-- Returns what finds the row, the key, and an upload's times and state; reads the table once and sorts the suspects.
-- An ACCESS SHARE lock, held to the end of the audit.
SELECT {locator}, {key}, {time}, {updated}, {status}, {object_key}, {object_url}
FROM {table}
WHERE {where} AND ({condition})
ORDER BY {key_by_bytes}, {locator_order}
