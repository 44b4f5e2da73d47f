-- Lock a small table until its index is built. How long a statement may take is the user's --timeout: squawk's
-- require-statement-timeout is passed over.
-- Locks: EXCLUSIVE, until the end of the transaction: writes and SELECT … FOR UPDATE wait, plain reads go on. Not a weaker
-- one: whoever had locked rows would wait for us to write them, and we for him. Not a stronger one: the table is read
-- over another connection meanwhile.
LOCK TABLE {table} IN EXCLUSIVE MODE
