-- A configured SELECT of one column. Reads what it names; a shared lock for as long as it runs.
SELECT *
FROM (
{select}
)
