-- The columns of a table that have a default, each with it, as JSON. Generated columns have none.
-- Locks: none that a writer meets.
SELECT pg_catalog.json_build_array(a.attname, pg_catalog.pg_get_expr(d.adbin, d.adrelid))
FROM pg_catalog.pg_attribute AS a
JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = pg_catalog.to_regclass({table}) AND NOT a.attisdropped AND a.attgenerated = ''
