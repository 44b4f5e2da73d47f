-- The rows of every key that occurs more than once, group by group: for tables without a rowid, and views.
-- Reads the table twice and sorts it once: the keys first, then the rows of the duplicated ones. A shared lock.
-- IN and not a join: SQLite (3.40 at least) puts a Bloom filter before a join, and loses keys that RTRIM makes equal.
SELECT COUNT(*) OVER (PARTITION BY {key_grouping}), {locator}, {key}, {time}, {group}, {values}
FROM {table}
WHERE {where} AND ({key}) IN (
    SELECT {key}
    FROM {table}
    WHERE {where} AND NOT ({key_is_null})
    GROUP BY {key_grouping}
    HAVING COUNT(*) > 1
)
ORDER BY {key_grouping}
