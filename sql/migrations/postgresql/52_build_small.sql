-- Build the unique index of a small table, in the transaction that locked and cleaned it: half a second at most, and
-- never a state in between. That is why squawk's require-concurrent-index-creation is passed over.
-- Locks: SHARE, where EXCLUSIVE is held already: it waits for nobody.
CREATE UNIQUE INDEX {name} ON {table} ({key})
