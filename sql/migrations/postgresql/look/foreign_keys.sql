-- The foreign keys of a table and those that refer to it: name, the table that has it (schema, name, whether the search
-- path finds it), its columns as JSON, whether the table itself has it, ON DELETE, ON UPDATE.
-- Locks: nothing that anybody waits for.
SELECT kept.conname::pg_catalog.text,
       space.nspname::pg_catalog.text,
       owner.relname::pg_catalog.text,
       pg_catalog.pg_table_is_visible(owner.oid),
       (
           SELECT pg_catalog.json_agg(attribute.attname ORDER BY part.place)::pg_catalog.text
           FROM pg_catalog.unnest(kept.conkey) WITH ORDINALITY AS part (number, place)
           JOIN pg_catalog.pg_attribute AS attribute
             ON attribute.attrelid = kept.conrelid AND attribute.attnum = part.number
       ),
       kept.conrelid = {oid},
       kept.confdeltype::pg_catalog.text,
       kept.confupdtype::pg_catalog.text
FROM pg_catalog.pg_constraint AS kept
JOIN pg_catalog.pg_class AS owner ON owner.oid = kept.conrelid
JOIN pg_catalog.pg_namespace AS space ON space.oid = owner.relnamespace
WHERE kept.contype = 'f' AND kept.conparentid = 0 AND (kept.conrelid = {oid} OR kept.confrelid = {oid})
ORDER BY 2, 3, 1
