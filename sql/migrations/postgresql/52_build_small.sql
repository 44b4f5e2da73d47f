-- Build the constraint of a small table, in the transaction that locked and cleaned it: half a second at most, and
-- never a state in between. That is why squawk's disallowed-unique-constraint and constraint-missing-not-valid (which no
-- UNIQUE can be) are passed over.
-- Locks: ACCESS EXCLUSIVE, held already.
ALTER TABLE {table} ADD CONSTRAINT {constraint} UNIQUE ({key})
