-- The triggers of a table and their events; one sees them with the TRIGGER privilege alone. Locks nothing.
SELECT trigger_name, event_manipulation, event_object_table
FROM information_schema.triggers
WHERE event_object_schema = {schema} AND event_object_table = {name}
ORDER BY trigger_name
