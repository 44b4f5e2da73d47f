-- What a copied table depends on outside its schema that could do more than compute: functions and operators, and
-- sequences, written out. Nothing is as it has to be.
-- Locks: nothing that anybody waits for.
WITH own (classid, objid) AS (
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, relation.oid
    FROM pg_catalog.pg_class AS relation WHERE relation.relnamespace = {schema}::pg_catalog.regnamespace
    UNION ALL
    SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass, kept.oid
    FROM pg_catalog.pg_constraint AS kept WHERE kept.connamespace = {schema}::pg_catalog.regnamespace
    UNION ALL
    SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass, stored.oid
    FROM pg_catalog.pg_attrdef AS stored
    JOIN pg_catalog.pg_class AS relation
      ON relation.oid = stored.adrelid AND relation.relnamespace = {schema}::pg_catalog.regnamespace
    UNION ALL
    SELECT 'pg_catalog.pg_trigger'::pg_catalog.regclass, fired.oid
    FROM pg_catalog.pg_trigger AS fired
    JOIN pg_catalog.pg_class AS relation
      ON relation.oid = fired.tgrelid AND relation.relnamespace = {schema}::pg_catalog.regnamespace
)
SELECT used.called::pg_catalog.regprocedure::pg_catalog.text
FROM own
JOIN ({foreign}) AS used (classid, objid, called, space) ON used.classid = own.classid AND used.objid = own.objid
WHERE used.space <> {schema}::pg_catalog.regnamespace
UNION ALL
SELECT other.oid::pg_catalog.regclass::pg_catalog.text
FROM own
JOIN pg_catalog.pg_depend AS held ON held.classid = own.classid AND held.objid = own.objid
JOIN pg_catalog.pg_class AS other
  ON held.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND other.oid = held.refobjid
WHERE other.relkind = 'S' AND other.relnamespace <> {schema}::pg_catalog.regnamespace
