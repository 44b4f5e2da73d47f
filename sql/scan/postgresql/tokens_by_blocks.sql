-- One token a row (engine snapshot) of a range of blocks, and what the audit counts meanwhile: its rows, its rows with a
-- whole key, and their tokens, one a line. A token is a hash of the key by the hash function of the type's own equality,
-- NULL where a part of the key is NULL. In one text, because a message for each row would cost more than the hash; not by
-- kind as well, because grouping costs more than a pass of its own. Reads each block once (TID Range Scan); an ACCESS SHARE
-- lock, held to the end of the audit.
SELECT pg_catalog.count(*),
       pg_catalog.count({token}),
       pg_catalog.string_agg(pg_catalog.to_hex({token}), pg_catalog.chr(10))
FROM {table}
WHERE {where} AND {blocks}
