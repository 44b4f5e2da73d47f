-- Each key that occurs more than once: how often, and the rowids of its rows.
-- Equality is the columns' own (collation and affinity). One pass and one sort of (key, rowid), which spills to
-- SQLITE_TMPDIR; with an index on the key no sort. A shared lock for as long as it runs.
SELECT COUNT(*), group_concat({rowid})
FROM {table}
WHERE {where} AND NOT ({key_is_null})
GROUP BY {key_grouping}
HAVING COUNT(*) > 1
