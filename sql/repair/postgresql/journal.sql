-- Makes the journal: what was done with each row, in order. Takes a lock on nothing that existed before.
CREATE TABLE "dedupaudit"."journal" (
    run pg_catalog.text,
    chunk pg_catalog.int8,
    seq pg_catalog.int8,
    line pg_catalog.int8,
    action pg_catalog.text,
    target pg_catalog.text,
    pk pg_catalog.text,
    hash_before pg_catalog.text,
    hash_after pg_catalog.text,
    note pg_catalog.text,
    PRIMARY KEY (run, chunk, seq)
)
