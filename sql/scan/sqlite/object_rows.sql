-- What the rows say of their objects: whether `where` holds, the key, what finds the row, and the object's columns; rows
-- after the first ?1. Reads the table once in stored order, or along an index on the object key where some are asked for;
-- sorts nothing; a shared lock for as long as it runs.
SELECT {columns}
FROM {table}
WHERE {condition}
LIMIT -1 OFFSET ?1
