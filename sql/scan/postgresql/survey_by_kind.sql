-- The same as survey.sql for each kind, where there are few of them and nobody knows yet which will be asked for.
-- Returns a row a kind: the kind, its rows, and for how many of them each suspect condition holds. Reads the table once,
-- with parallel workers where the server gives them, and hashes the kinds; an ACCESS SHARE lock, held to the end.
SELECT {kind}, pg_catalog.count(*){counts}
FROM {table}
WHERE {where}
GROUP BY 1
