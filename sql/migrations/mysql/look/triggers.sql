-- The triggers of a table and what they do; one sees them with the TRIGGER privilege alone. Locks nothing.
SELECT trigger_name, action_timing, event_manipulation, action_statement, event_object_table
FROM information_schema.triggers
WHERE event_object_schema = {schema} AND event_object_table = {name}
ORDER BY trigger_name
