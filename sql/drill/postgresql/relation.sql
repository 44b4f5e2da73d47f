-- One table: kind, whether it is a partition, its name as it is written and as it is; how many unique indexes and INSERT
-- triggers its partitions have of their own; its foreign keys, the rules that rewrite an INSERT into it, and the policies
-- of row-level security that look at other rows before they let one in, as JSON.
-- Locks: nothing that anybody waits for.
SELECT relation.relkind::pg_catalog.text,
       relation.relispartition,
       pg_catalog.quote_ident(space.nspname) || '.' || pg_catalog.quote_ident(relation.relname),
       relation.relname::pg_catalog.text,
       (
           SELECT pg_catalog.count(*)
           FROM pg_catalog.pg_partition_tree(relation.oid) AS part
           JOIN pg_catalog.pg_index AS index ON index.indrelid = part.relid AND index.indisunique
           WHERE part.relid <> relation.oid
             AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_inherits AS line WHERE line.inhrelid = index.indexrelid)
       ) + (
           SELECT pg_catalog.count(*)
           FROM pg_catalog.pg_partition_tree(relation.oid) AS part
           JOIN pg_catalog.pg_trigger AS fired ON fired.tgrelid = part.relid AND NOT fired.tgisinternal
           WHERE part.relid <> relation.oid AND fired.tgtype::pg_catalog.int4 & 4 <> 0
             AND NOT EXISTS (
                 SELECT 1 FROM pg_catalog.pg_trigger AS above
                 WHERE above.tgrelid = relation.oid AND above.tgname = fired.tgname
             )
       ),
       (
           SELECT pg_catalog.json_agg(kept.conname ORDER BY kept.conname)::pg_catalog.text
           FROM pg_catalog.pg_constraint AS kept WHERE kept.conrelid = relation.oid AND kept.contype = 'f'
       ),
       (
           SELECT pg_catalog.json_agg(rewritten.rulename ORDER BY rewritten.rulename)::pg_catalog.text
           FROM pg_catalog.pg_rewrite AS rewritten WHERE rewritten.ev_class = relation.oid AND rewritten.ev_type = '3'
       ),
       (
           SELECT pg_catalog.json_agg(policy.polname ORDER BY policy.polname)::pg_catalog.text
           FROM pg_catalog.pg_policy AS policy
           WHERE relation.relrowsecurity AND policy.polrelid = relation.oid AND policy.polcmd IN ('a', '*')
             AND (
                 pg_catalog.pg_get_expr(coalesce(policy.polwithcheck, policy.polqual), policy.polrelid) LIKE '%SELECT %'
                 OR EXISTS (
                     SELECT 1 FROM ({foreign}) AS used (classid, objid, called, space)
                     WHERE used.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass AND used.objid = policy.oid
                 )
             )
       )
FROM pg_catalog.pg_class AS relation
JOIN pg_catalog.pg_namespace AS space ON space.oid = relation.relnamespace
WHERE relation.oid = {oid}
