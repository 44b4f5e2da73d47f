-- A configured SELECT of one column, as bytes. Reads what it names; locks no row.
WITH `dedupaudit selected` (`value`) AS (
{select}
)
SELECT {columns}
FROM `dedupaudit selected`
{limit}
