-- Gives the rows beside one the key of that one: where another unique column refuses a copy, this reaches the index.
-- Rolled back whatever happens.
-- Locks: none beyond the transaction's.
UPDATE OR ABORT {table}
SET ({key}) = (SELECT {key} FROM {table} NOT INDEXED WHERE {key_is_known} LIMIT 1)
WHERE {key_is_known}
