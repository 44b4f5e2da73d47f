-- The guard of an INSERT, all rows of a statement at once: three times as fast for a thousand rows as row by row. It does
-- the same; where an entry is in the way and no second row is seen, it goes row by row. An exception block costs a
-- subtransaction, ON CONFLICT a second look at each row: the one is for many rows, the other for one.
-- Locks: nothing that anybody waits for.
CREATE FUNCTION {function}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS ${tag}$
#variable_conflict use_column
DECLARE
    is_recent boolean := current_setting('transaction_isolation') = 'read committed';
    wanted bigint;
    taken bigint := 0;
    refused boolean := FALSE;
    one record;
BEGIN
    SELECT count(*) INTO wanted FROM fresh AS n WHERE {fresh_is_whole};
    IF wanted = 1 AND is_recent THEN
        INSERT INTO {side} SELECT {fresh}, FALSE FROM fresh AS n WHERE {fresh_is_whole} ON CONFLICT DO NOTHING;
        GET DIAGNOSTICS taken = ROW_COUNT;
    ELSIF wanted > 0 THEN
        BEGIN
            INSERT INTO {side} SELECT {fresh}, FALSE FROM fresh AS n WHERE {fresh_is_whole};
            taken := wanted;
        EXCEPTION WHEN unique_violation THEN
            NULL;
        END;
    END IF;
    refused := EXISTS (
        SELECT FROM fresh AS n
        WHERE {fresh_is_whole} AND EXISTS (SELECT FROM {table} AS t WHERE {row_is_fresh} OFFSET 1)
    );
    IF NOT refused AND taken <> wanted THEN
        FOR one IN SELECT {fresh_named} FROM fresh AS n WHERE {fresh_is_whole} LOOP
            LOOP
                BEGIN
                    INSERT INTO {side} VALUES ({one}, FALSE);
                    EXIT;
                EXCEPTION WHEN unique_violation THEN
                    NULL;
                END;
                UPDATE {side} AS g SET renewed = NOT g.renewed WHERE {entry_is_one};
                EXIT WHEN FOUND;
                -- An entry that the snapshot does not see is somebody else's; without a snapshot it is gone by now.
                refused := NOT is_recent;
                EXIT WHEN refused;
            END LOOP;
            refused := refused OR EXISTS (SELECT FROM {table} AS t WHERE {row_is_one} OFFSET 1);
            EXIT WHEN refused;
        END LOOP;
    END IF;
    IF refused THEN
        RAISE unique_violation USING
            MESSAGE = {message},
            DETAIL = {detail},
            SCHEMA = {schema_name},
            TABLE = {table_name},
            CONSTRAINT = {constraint_name};
    END IF;
    RETURN NULL;
END
${tag}$
