-- What rules over a table's rows, without its foreign keys: kind (p, u, x, c as pg_constraint has them, i for an index of
-- no constraint), name, definition, whether it is unique, valid, ready, and whether it calls what is neither
-- PostgreSQL's nor a harmless extension's; then, of an index, whether it is partial, and its expressions and condition.
-- Locks: nothing that anybody waits for.
SELECT kept.contype::pg_catalog.text,
       kept.conname::pg_catalog.text,
       pg_catalog.pg_get_constraintdef(kept.oid),
       kept.contype <> 'c',
       coalesce(index.indisvalid, TRUE),
       coalesce(index.indisready, TRUE),
       EXISTS (
           SELECT 1 FROM ({foreign}) AS used (classid, objid, called, space)
           WHERE used.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND used.objid = kept.oid
              OR used.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND used.objid = kept.conindid
       ),
       kept.contype = 'x',
       CASE WHEN kept.contype = 'c' THEN pg_catalog.pg_get_expr(kept.conbin, kept.conrelid) END
FROM pg_catalog.pg_constraint AS kept
LEFT JOIN pg_catalog.pg_index AS index ON index.indexrelid = kept.conindid
WHERE kept.conrelid = {oid} AND kept.contype IN ('p', 'u', 'x', 'c')
UNION ALL
SELECT 'i',
       relation.relname::pg_catalog.text,
       pg_catalog.pg_get_indexdef(index.indexrelid),
       index.indisunique,
       index.indisvalid,
       index.indisready,
       EXISTS (
           SELECT 1 FROM ({foreign}) AS used (classid, objid, called, space)
           WHERE used.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND used.objid = index.indexrelid
       ),
       index.indpred IS NOT NULL,
       pg_catalog.concat_ws(
           ' ',
           pg_catalog.pg_get_expr(index.indexprs, index.indrelid),
           pg_catalog.pg_get_expr(index.indpred, index.indrelid)
       )
FROM pg_catalog.pg_index AS index
JOIN pg_catalog.pg_class AS relation ON relation.oid = index.indexrelid
WHERE index.indrelid = {oid}
  AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_constraint AS kept WHERE kept.conindid = index.indexrelid AND kept.conrelid = {oid})
ORDER BY 1, 2
