-- A configured SELECT of one column, as text but for integers and bytes. Reads what it names; an ACCESS SHARE lock on that,
-- held to the end of the audit or its next snapshot.
SELECT {columns}
FROM (
{select}
) AS "dedupaudit selected" ("dedupaudit value")
