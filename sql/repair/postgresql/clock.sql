-- The server's time in microseconds since the epoch. Locks nothing.
SELECT pg_catalog.round(
    (pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) * 1000000)::pg_catalog.numeric
)::pg_catalog.int8
