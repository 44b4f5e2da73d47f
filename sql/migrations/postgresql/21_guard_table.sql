-- The guard's side table: the keys that were stored since the guard is there, of the same types and collations.
-- Locks: ACCESS SHARE on the guarded table: nobody waits.
CREATE TABLE {side} AS
SELECT {columns}, FALSE AS renewed FROM ONLY {table} AS t WITH NO DATA
