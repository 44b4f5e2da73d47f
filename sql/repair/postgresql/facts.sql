-- What decides whether one table can be repaired: kind, persistence, whether tables inherit from it, whether it is a
-- partition, whether row-level security holds for the role; whether the role may SELECT, INSERT, UPDATE, DELETE there,
-- and use its schema; whether the server refuses UPDATE and DELETE because it is published without a replica identity;
-- the role's name; the table's and schema's names, quoted. Reads the catalog; locks nothing that anybody waits for.
SELECT relation.relkind::pg_catalog.text,
       relation.relpersistence::pg_catalog.text,
       EXISTS (SELECT 1 FROM pg_catalog.pg_inherits AS below WHERE below.inhparent = relation.oid),
       relation.relispartition,
       pg_catalog.row_security_active(relation.oid),
       pg_catalog.has_table_privilege(relation.oid, 'SELECT'),
       pg_catalog.has_table_privilege(relation.oid, 'INSERT'),
       pg_catalog.has_table_privilege(relation.oid, 'UPDATE'),
       pg_catalog.has_table_privilege(relation.oid, 'DELETE'),
       pg_catalog.has_schema_privilege(relation.relnamespace, 'USAGE'),
       EXISTS (
           SELECT 1
           FROM (
               SELECT relation.oid
               UNION
               SELECT part.relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree(relation.oid) AS part WHERE part.isleaf
           ) AS stored (oid)
           JOIN pg_catalog.pg_class AS leaf ON leaf.oid = stored.oid AND leaf.relkind = 'r'
           WHERE NOT CASE leaf.relreplident
                   WHEN 'f' THEN TRUE
                   WHEN 'd' THEN EXISTS (
                       SELECT 1 FROM pg_catalog.pg_index AS key
                       WHERE key.indrelid = leaf.oid AND key.indisprimary AND key.indisvalid AND key.indimmediate
                   )
                   WHEN 'i' THEN EXISTS (
                       SELECT 1 FROM pg_catalog.pg_index AS key
                       WHERE key.indrelid = leaf.oid AND key.indisreplident AND key.indisvalid
                   )
                   ELSE FALSE
               END
             AND EXISTS (
                 SELECT 1
                 FROM (
                     SELECT leaf.oid
                     UNION
                     SELECT above.relid::pg_catalog.oid FROM pg_catalog.pg_partition_ancestors(leaf.oid) AS above (relid)
                 ) AS known (oid)
                 JOIN pg_catalog.pg_class AS published ON published.oid = known.oid
                 JOIN pg_catalog.pg_namespace AS placed ON placed.oid = published.relnamespace
                 JOIN pg_catalog.pg_publication_tables AS listed
                   ON listed.schemaname = placed.nspname AND listed.tablename = published.relname
                 JOIN pg_catalog.pg_publication AS publication ON publication.pubname = listed.pubname
                 WHERE publication.pubupdate OR publication.pubdelete
             )
       ),
       pg_catalog.quote_ident(current_user),
       pg_catalog.quote_ident(namespace.nspname) || '.' || pg_catalog.quote_ident(relation.relname),
       pg_catalog.quote_ident(namespace.nspname)
FROM pg_catalog.pg_class AS relation
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = relation.relnamespace
WHERE relation.oid = {oid}
