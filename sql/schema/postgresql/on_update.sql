-- What the functions of a table's triggers do to every row that is updated, before it is stored: name, source, and the
-- trigger's arguments, as JSON. Disabled triggers do nothing, and those for some columns only not for every row.
-- Locks: none that a writer meets.
SELECT pg_catalog.json_build_array(p.proname, p.prosrc, pg_catalog.encode(t.tgargs, 'escape'))
FROM pg_catalog.pg_trigger AS t
JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
WHERE t.tgrelid = pg_catalog.to_regclass({table})
  AND NOT t.tgisinternal
  AND t.tgenabled IN ('O', 'A')
  AND t.tgtype & 19 = 19
  AND t.tgattr = ''::pg_catalog.int2vector
