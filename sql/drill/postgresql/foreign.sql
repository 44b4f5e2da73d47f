-- What depends on functions, also by an operator, that are neither PostgreSQL's own nor of an extension that is known to
-- touch nothing: class and OID, and the function. For the other queries, as a table.
-- Locks: nothing that anybody waits for.
SELECT held.classid, held.objid, called.oid, called.pronamespace
FROM pg_catalog.pg_depend AS held
LEFT JOIN pg_catalog.pg_operator AS sign
       ON held.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass AND sign.oid = held.refobjid
JOIN pg_catalog.pg_proc AS called
  ON called.oid = CASE held.refclassid
         WHEN 'pg_catalog.pg_proc'::pg_catalog.regclass THEN held.refobjid
         WHEN 'pg_catalog.pg_operator'::pg_catalog.regclass THEN sign.oprcode
     END
WHERE called.oid >= 16384
  AND called.pronamespace <> 'pg_catalog'::pg_catalog.regnamespace
  AND NOT EXISTS (
      SELECT 1 FROM pg_catalog.pg_depend AS part
      JOIN pg_catalog.pg_extension AS whole ON whole.oid = part.refobjid
      WHERE part.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND part.objid = called.oid AND part.deptype = 'e'
        AND whole.extname IN (
            'pgcrypto', 'uuid-ossp', 'citext', 'ltree', 'hstore', 'pg_trgm', 'btree_gist', 'btree_gin', 'unaccent',
            'intarray', 'cube', 'isn', 'seg', 'fuzzystrmatch', 'postgis', 'vector'
        )
  )
