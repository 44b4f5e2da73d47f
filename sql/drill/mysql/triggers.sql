-- The triggers of a table: name, timing, event, body, and the modes of SQL that it was made in, in the order in which they
-- fire; one sees them with the TRIGGER privilege alone. Locks nothing.
SELECT trigger_name, action_timing, event_manipulation, action_statement, sql_mode
FROM information_schema.triggers
WHERE event_object_schema = {schema} AND event_object_table = {name}
ORDER BY action_timing, event_manipulation, action_order
