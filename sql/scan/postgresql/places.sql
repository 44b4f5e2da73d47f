-- Where the rows of some tokens that repeat are (engine snapshot). Within the audit's snapshot a row keeps its place.
-- Reads the table once, with parallel workers where the server gives them; an ACCESS SHARE lock, held to the end.
SELECT {token}, {place}::pg_catalog.text
FROM {table}
WHERE {where} AND {found}
LIMIT {limit}
