-- How many blocks a table has, where it lies in a heap whose rows are found by block; else NULL. Reads the catalog.
SELECT CASE WHEN method.amname = 'heap' THEN
           pg_catalog.pg_relation_size(relation.oid) / pg_catalog.current_setting('block_size')::pg_catalog.int8
       END
FROM pg_catalog.pg_class AS relation
LEFT JOIN pg_catalog.pg_am AS method ON method.oid = relation.relam
WHERE relation.oid = {oid}
