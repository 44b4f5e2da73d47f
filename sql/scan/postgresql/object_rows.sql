-- What the rows say of their objects: whether `where` holds, a hash of the key by the type's own equality, the key, what
-- finds the row, and the object's columns. Reads the table once in stored order, or along an index on the object key where
-- some are asked for; sorts nothing. An ACCESS SHARE lock, held to the end of the audit or its next snapshot.
SELECT {columns}
FROM {table}
WHERE {condition}
