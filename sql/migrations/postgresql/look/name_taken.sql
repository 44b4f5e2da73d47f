-- What has a name already in a table's schema: a relation (kind, and of an index its table), or a constraint of the table.
-- Locks: nothing that anybody waits for.
SELECT relation.relkind::pg_catalog.text, of_index.relname::pg_catalog.text
FROM pg_catalog.pg_class AS relation
JOIN pg_catalog.pg_class AS asked ON asked.oid = {oid} AND asked.relnamespace = relation.relnamespace
LEFT JOIN pg_catalog.pg_index AS held ON held.indexrelid = relation.oid
LEFT JOIN pg_catalog.pg_class AS of_index ON of_index.oid = held.indrelid
WHERE relation.relname = {name}
UNION ALL
SELECT 'constraint', asked.relname::pg_catalog.text
FROM pg_catalog.pg_constraint AS kept
JOIN pg_catalog.pg_class AS asked ON asked.oid = kept.conrelid
WHERE kept.conrelid = {oid} AND kept.conname = {name} AND kept.contype NOT IN ('u', 'p', 'x')
