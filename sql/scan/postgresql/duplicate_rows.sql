-- The rows of some tokens that repeat (engine snapshot), key by key. Tokens of different keys may be equal by chance: the
-- server itself counts the rows of each key. A value of more than 256 bytes travels as a salted hash. Reads the table
-- once a batch, or finds the rows by primary key; an ACCESS SHARE lock, held to the end of the audit.
SELECT *
FROM (
    SELECT pg_catalog.count(*) OVER (PARTITION BY {key_plain}) AS "dedupaudit n",
           {locator}, {key}, {time}, {kind}, {values}
    FROM {table}
    WHERE {where} AND {found} AND NOT ({key_is_null})
    ORDER BY {key_plain}
) AS "dedupaudit rows"
WHERE "dedupaudit n" > 1
