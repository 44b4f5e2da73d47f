-- What is to be known of a table before its key is touched: its namespace's OID, whether it has the tool's CHECK, and the
-- columns that allow NULL, as JSON.
-- Locks: nothing that anybody waits for.
SELECT EXISTS (
           SELECT 1 FROM pg_catalog.pg_constraint AS kept WHERE kept.conrelid = {oid} AND kept.conname = {check}
       ),
       coalesce((
           SELECT pg_catalog.json_agg(attribute.attname)::pg_catalog.text
           FROM pg_catalog.pg_attribute AS attribute
           WHERE attribute.attrelid = {oid} AND attribute.attnum > 0 AND NOT attribute.attisdropped
             AND NOT attribute.attnotnull
       ), '[]'),
       EXISTS (SELECT 1 FROM pg_catalog.pg_namespace AS space WHERE space.nspname = 'dedupaudit')
