-- The guard, row by row: a row whose key is stored already is refused, as the finished constraint would refuse it.
-- It runs as its owner, so that a role that may only INSERT is guarded too. The side table's unique key decides between
-- sessions that do not see each other's rows; the look into the table finds what is older than the guard. An entry
-- whose row is gone without the guard's knowledge (one partition truncated or detached) is taken over: by an UPDATE, so
-- that of two who take it over the second waits, and looks again. At READ COMMITTED nothing is caught: an exception block
-- costs a subtransaction for each row.
-- Locks: nothing that anybody waits for.
CREATE FUNCTION {function}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS ${tag}$
#variable_conflict use_column
DECLARE
    refused boolean := FALSE;
BEGIN
    IF TG_OP <> 'INSERT' AND {old_is_whole} THEN
        DELETE FROM {side} AS g WHERE {entry_is_old};
    END IF;
    IF TG_OP = 'DELETE' OR NOT ({new_is_whole}) THEN
        RETURN NULL;
    END IF;
    LOOP
        IF current_setting('transaction_isolation') = 'read committed' THEN
            INSERT INTO {side} VALUES ({new}, FALSE) ON CONFLICT DO NOTHING;
            EXIT WHEN FOUND;
        ELSE
            BEGIN
                INSERT INTO {side} VALUES ({new}, FALSE);
                EXIT;
            EXCEPTION WHEN unique_violation THEN
                -- An entry that the snapshot does not see is somebody else's.
                refused := NOT EXISTS (SELECT FROM {side} AS g WHERE {entry_is_new});
            END;
        END IF;
        refused := refused OR EXISTS (SELECT FROM {table} AS t WHERE {row_is_new} OFFSET 1);
        EXIT WHEN refused;
        UPDATE {side} AS g SET renewed = NOT g.renewed WHERE {entry_is_new};
        EXIT WHEN FOUND;
    END LOOP;
    IF refused OR EXISTS (SELECT FROM {table} AS t WHERE {row_is_new} OFFSET 1) THEN
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
