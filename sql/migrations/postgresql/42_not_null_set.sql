-- NOT NULL. The valid CHECK spares the scan; in the strategy `small` the table is scanned, under the lock that is held
-- already: that is why squawk's adding-not-nullable-field is passed over there.
-- Locks: ACCESS EXCLUSIVE, for an instant: reads and writes wait.
ALTER TABLE {table} {columns}
