-- NOT NULL. The valid CHECK spares the scan, which is why squawk's adding-not-nullable-field is passed over; in the
-- strategy `small` the table is scanned, under the lock that is held already.
-- Locks: ACCESS EXCLUSIVE, for an instant: reads and writes wait.
ALTER TABLE {table} {columns}
