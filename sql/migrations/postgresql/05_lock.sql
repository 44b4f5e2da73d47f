-- Lock a small table until all is done. How long a statement may take is the user's --timeout: squawk's
-- require-statement-timeout is passed over.
-- Locks: ACCESS EXCLUSIVE, until the end of the transaction: reads and writes wait. A weaker one would have to become
-- this one at the end, and wait for readers while it holds rows.
LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE
