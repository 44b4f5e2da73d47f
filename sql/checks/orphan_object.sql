-- Objects that no row names, audited or not, and no configured SELECT.
SELECT rows.h, rows.key, rows.size, rows.modified
FROM (SELECT * FROM {look}.objects WHERE {part}) AS rows
ANTI JOIN (SELECT h FROM {look}.rows WHERE {part}) AS named USING (h)
ANTI JOIN (SELECT h FROM {look}.referenced WHERE {part}) AS referenced USING (h)
WHERE {unprotected}
