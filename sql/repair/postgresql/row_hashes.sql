-- Some rows by the columns that name them, each with a hash of the whole row.
-- Reads by an index or by place; locks nothing that anybody but DDL waits for.
SELECT {locator}, {hash}
FROM {table}
WHERE {wanted}
