-- The earliest and the latest time of the audited rows. Reads the table once, or the ends of an index on the time; an
-- ACCESS SHARE lock, held to the end of the audit.
SELECT {first}, {last} FROM {table} WHERE {where}
