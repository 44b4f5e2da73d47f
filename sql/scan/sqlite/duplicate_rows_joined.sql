-- The rows of every key that occurs more than once, group by group: for tables without a rowid, and views.
-- Reads the table twice: one sort of the keys, then each row is looked up among the duplicated keys.
WITH duplicated AS MATERIALIZED (
    SELECT COUNT(*) AS "dedupaudit n", {key_named}
    FROM {table}
    WHERE {where} AND NOT ({key_is_null})
    GROUP BY {key_grouping}
    HAVING COUNT(*) > 1
)
SELECT duplicated."dedupaudit n", {locator}, {key}, {time}, {group}, {values}
FROM {table} CROSS JOIN duplicated ON {key_joined}
WHERE {where}
ORDER BY {key_ordered}
