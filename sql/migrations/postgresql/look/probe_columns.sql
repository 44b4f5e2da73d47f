-- The columns of a table that an INSERT may give a value: name, whether it is part of the primary key, whether it has a
-- default or is an identity; generated columns are left out.
-- Locks: nothing that anybody waits for.
SELECT attribute.attname::pg_catalog.text,
       EXISTS (
           SELECT 1 FROM pg_catalog.pg_index AS key
           WHERE key.indrelid = attribute.attrelid AND key.indisprimary AND attribute.attnum = ANY (key.indkey)
       ),
       attribute.atthasdef OR attribute.attidentity <> ''
FROM pg_catalog.pg_attribute AS attribute
WHERE attribute.attrelid = {oid} AND attribute.attnum > 0 AND NOT attribute.attisdropped AND attribute.attgenerated = ''
ORDER BY attribute.attnum
