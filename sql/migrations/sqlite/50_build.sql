-- Makes the key unique. In SQLite the index is the constraint: a table is given no other after it was created.
-- Locks: what BEGIN IMMEDIATE took already: every other writer waits until the one transaction commits.
CREATE UNIQUE INDEX {index} ON {table} ({key})
