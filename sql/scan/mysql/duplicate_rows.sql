-- Every row of every key that occurs more than once, group by group: how often, the group's number, the row.
-- Equality is the columns' own. The inner query groups: along an index, or (SQL_BIG_RESULT) by one sort on the server's
-- disk; the rows are found by the index, or by one more pass with a hash join. Locks no row; holds a shared metadata lock.
SELECT `dedupaudit repeated`.`dedupaudit n`, `dedupaudit repeated`.`dedupaudit group`,
       {locator}, {key}, {time}, {group}, {values}
FROM (
    SELECT {key_aliases}, `dedupaudit n`, ROW_NUMBER() OVER () AS `dedupaudit group`
    FROM (
        SELECT {hint} {key_named}, COUNT(*) AS `dedupaudit n`
        FROM {table}
        WHERE {where} AND NOT ({key_is_null})
        GROUP BY {key_grouping}
        HAVING COUNT(*) > 1
    ) AS `dedupaudit grouped`
) AS `dedupaudit repeated`
STRAIGHT_JOIN {table} ON {key_joined}
WHERE {where}
ORDER BY `dedupaudit repeated`.`dedupaudit group`
