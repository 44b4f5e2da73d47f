-- The rows of every key that occurs more than once, key by key (engine pushdown). A value of more than 256 bytes travels
-- as a salted hash. Finds the keys, along an index where one begins with them, and joins their rows; equality is the
-- operator of the key's own unique index. An ACCESS SHARE lock, held to the end of the audit.
SELECT "dedupaudit n", {locator}, {key}, {time}, {kind}, {values}
FROM (
    SELECT {key_named}, pg_catalog.count(*) AS "dedupaudit n"
    FROM {table}
    WHERE {where} AND NOT ({key_is_null})
    GROUP BY {key_plain}
    HAVING pg_catalog.count(*) > 1
) AS "dedupaudit repeated"
JOIN {table} ON {joined}
WHERE {where}
ORDER BY {key_names}
