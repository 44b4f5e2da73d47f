-- Objects that no row names, audited or not, and no configured SELECT.
SELECT rows.h, rows.key, rows.size, rows.modified
FROM {look}.objects AS rows
ANTI JOIN {look}.rows AS named USING (h)
ANTI JOIN {look}.referenced AS referenced USING (h)
WHERE {unprotected}
