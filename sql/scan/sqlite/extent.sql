-- The earliest and the latest time of the audited rows. Reads the table once, or the ends of an index on the time.
SELECT MIN({time}), MAX({time}) FROM {table} WHERE {where}
