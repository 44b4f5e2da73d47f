-- Make a partition's index a part of its parent's; once all are, the parent's becomes valid.
-- Locks: ACCESS EXCLUSIVE on the partition's index, ACCESS SHARE on its table, for an instant.
ALTER INDEX {parent} ATTACH PARTITION {part}
