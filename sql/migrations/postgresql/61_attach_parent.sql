-- The constraint of a partitioned table itself: it holds nothing until the partitions' are attached, and partitions that
-- come get theirs by it. USING INDEX does not exist for a partitioned table, and nothing is built here: that is why
-- squawk's disallowed-unique-constraint and constraint-missing-not-valid (which no UNIQUE can be) are passed over.
-- Locks: ACCESS EXCLUSIVE on this one table, for an instant: reads and writes wait.
ALTER TABLE ONLY {table} ADD CONSTRAINT {constraint} UNIQUE ({key})
