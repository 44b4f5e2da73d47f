-- What the rows say of their objects: whether `where` holds, a hash of what the key's equality compares, the key, the
-- primary key, and the object's columns. Reads the table once in the order that the server likes, or along an index on the
-- object key where some are asked for; sorts nothing and locks no row.
SELECT {columns}
FROM {table}
WHERE {condition}
