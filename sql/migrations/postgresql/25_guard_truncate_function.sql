-- Forget all keys when the table is truncated. TRUNCATE and not DELETE: that sees no more than its snapshot.
-- Locks: nothing that anybody waits for.
CREATE FUNCTION {function}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS ${tag}$
BEGIN
    TRUNCATE {side};
    RETURN NULL;
END
${tag}$
