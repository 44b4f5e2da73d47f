-- The type of a configured SELECT's only column: an error where it has several. Plans the SELECT, reads no row of it; an
-- ACCESS SHARE lock on what it names, held to the end of the audit or its next snapshot.
SELECT pg_catalog.pg_typeof((
    SELECT *
    FROM (
{select}
    ) AS "dedupaudit selected"
    LIMIT 0
))::pg_catalog.text
