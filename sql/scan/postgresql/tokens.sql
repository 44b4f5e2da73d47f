-- One token a row (engine snapshot) of what does not lie in blocks: a hash of the key by the hash function of the type's
-- own equality, NULL where a part of the key is NULL; and what finds the row, where that is a number. Streamed by COPY, in
-- stored order. Reads the table once; an ACCESS SHARE lock, held to the end of the audit.
SELECT pg_catalog.to_hex({token}){place}
FROM {table}
WHERE {where}
