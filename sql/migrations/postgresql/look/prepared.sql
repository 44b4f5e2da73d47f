-- The prepared transactions of this database: name, owner, seconds.
-- Locks: nothing that anybody waits for.
SELECT prepared.gid,
       prepared.owner::pg_catalog.text,
       pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - prepared.prepared)::pg_catalog.float8
FROM pg_catalog.pg_prepared_xacts AS prepared
WHERE prepared.database = pg_catalog.current_database()
ORDER BY prepared.prepared
