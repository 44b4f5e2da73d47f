-- How many keys occur more than once, by the columns' own equality. No index is read: NOT INDEXED, and a unary + keeps
-- a primary key from giving the order. What the index does not hold twice, the table might.
-- Locks: none of its own.
SELECT COUNT(*)
FROM (
    SELECT 1
    FROM {table} NOT INDEXED
    WHERE {key_is_known}
    GROUP BY {key}
    HAVING COUNT(*) > 1
)
