-- The rows for which one suspect condition (suspects/*.sql) holds.
-- Returns the primary key, the key, and an upload's times and state; reads the table once.
SELECT {locator}, {key}, {time}, {updated}, {status}, {object_key}, {object_url}
FROM {table}
WHERE {where} AND ({condition})
