-- The same as duplicate_rows.sql where a hash join cannot be left to compare the keys themselves (MariaDB's takes 'a' and
-- 'a ' of a padding _bin collation for two): it joins by a hash of the key, and = decides. Reads the table twice and sorts
-- it once; locks no row; holds a shared metadata lock.
SELECT `dedupaudit repeated`.`dedupaudit n`, `dedupaudit repeated`.`dedupaudit group`,
       {locator}, {key}, {time}, {group}, {values}
FROM {table}
STRAIGHT_JOIN (
    SELECT {key_aliases}, `dedupaudit n`, `dedupaudit token`, ROW_NUMBER() OVER () AS `dedupaudit group`
    FROM (
        SELECT {hint} {key_named}, MIN({token}) AS `dedupaudit token`, COUNT(*) AS `dedupaudit n`
        FROM {table}
        WHERE {where} AND NOT ({key_is_null})
        GROUP BY {key_grouping}
        HAVING COUNT(*) > 1
    ) AS `dedupaudit grouped`
) AS `dedupaudit repeated`
ON `dedupaudit repeated`.`dedupaudit token` = {token} AND ({key_joined}) IS TRUE
WHERE {where}
ORDER BY `dedupaudit repeated`.`dedupaudit group`
