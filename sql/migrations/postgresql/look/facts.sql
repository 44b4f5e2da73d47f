-- What decides how a table can be migrated: kind; partition; inheritance; bytes of heap and TOAST, with its partitions;
-- whether row-level security holds for the role; what the role may: as the owner, create in the table's schema, use and
-- create in the tool's schema, or make that; whether others' statistics are seen; the encoding's longest character; the
-- page size; whether the server is a standby; whether transactions are read only where nobody says otherwise; whether
-- the table is published or subscribed to. Then names, quoted: owner, role, schema, table, database; then the server's
-- version, and the name of the table above, of which this is a partition or an heir.
-- Locks: nothing that anybody waits for.
SELECT relation.relkind::pg_catalog.text,
       relation.relispartition,
       relation.relkind = 'r' AND EXISTS (
           SELECT 1 FROM pg_catalog.pg_inherits AS line
           WHERE (line.inhparent = relation.oid OR line.inhrelid = relation.oid) AND NOT relation.relispartition
       ),
       (
           SELECT pg_catalog.sum(pg_catalog.pg_table_size(stored.oid))::pg_catalog.int8
           FROM (
               SELECT relation.oid
               UNION
               SELECT part.relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree(relation.oid) AS part
           ) AS stored (oid)
       ),
       pg_catalog.row_security_active(relation.oid),
       pg_catalog.pg_has_role(relation.relowner, 'USAGE'),
       pg_catalog.has_schema_privilege(relation.relnamespace, 'USAGE')
           AND pg_catalog.has_schema_privilege(relation.relnamespace, 'CREATE'),
       CASE
           WHEN own.oid IS NULL THEN pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')
           ELSE pg_catalog.has_schema_privilege(own.oid, 'USAGE') AND pg_catalog.has_schema_privilege(own.oid, 'CREATE')
       END,
       own.oid IS NOT NULL,
       pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'),
       pg_catalog.pg_encoding_max_length(here.encoding),
       pg_catalog.current_setting('block_size')::pg_catalog.int4,
       pg_catalog.pg_is_in_recovery(),
       (SELECT told.reset_val = 'on' FROM pg_catalog.pg_settings AS told WHERE told.name = 'default_transaction_read_only'),
       EXISTS (
           SELECT 1 FROM pg_catalog.pg_publication_tables AS listed
           JOIN (
               SELECT relation.oid
               UNION
               SELECT part.relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree(relation.oid) AS part
           ) AS stored (oid) ON TRUE
           JOIN pg_catalog.pg_class AS one ON one.oid = stored.oid AND one.relname = listed.tablename
           JOIN pg_catalog.pg_namespace AS place ON place.oid = one.relnamespace AND place.nspname = listed.schemaname
       ) OR EXISTS (SELECT 1 FROM pg_catalog.pg_subscription_rel AS fed WHERE fed.srrelid = relation.oid),
       pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(relation.relowner)),
       pg_catalog.quote_ident(current_user),
       pg_catalog.quote_ident(space.nspname),
       pg_catalog.quote_ident(space.nspname) || '.' || pg_catalog.quote_ident(relation.relname),
       pg_catalog.quote_ident(here.datname),
       pg_catalog.current_setting('server_version'),
       (
           SELECT CASE WHEN pg_catalog.pg_table_is_visible(above.oid) THEN '' ELSE place.nspname || '.' END || above.relname
           FROM pg_catalog.pg_inherits AS line
           JOIN pg_catalog.pg_class AS above ON above.oid = line.inhparent
           JOIN pg_catalog.pg_namespace AS place ON place.oid = above.relnamespace
           WHERE line.inhrelid = relation.oid
           ORDER BY line.inhseqno
           LIMIT 1
       )
FROM pg_catalog.pg_class AS relation
JOIN pg_catalog.pg_namespace AS space ON space.oid = relation.relnamespace
JOIN pg_catalog.pg_database AS here ON here.datname = pg_catalog.current_database()
LEFT JOIN pg_catalog.pg_namespace AS own ON own.nspname = 'dedupaudit'
WHERE relation.oid = {oid}
