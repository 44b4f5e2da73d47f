-- The triggers of a table, those of its foreign keys left out: name, definition, how it is enabled, whether it fires
-- before, on INSERT, is a constraint's; its function: schema, name, as it is written, language, body, settings as JSON;
-- whether it has a WHEN, and whether that calls what is neither PostgreSQL's nor a harmless extension's; its arguments;
-- whether it is for each row, deferrable, deferred; what it calls the new rows; and whether it speaks of old rows, or of
-- another table.
-- Locks: nothing that anybody waits for.
SELECT fired.tgname::pg_catalog.text,
       pg_catalog.pg_get_triggerdef(fired.oid),
       fired.tgenabled::pg_catalog.text,
       fired.tgtype::pg_catalog.int4 & 2 <> 0,
       fired.tgtype::pg_catalog.int4 & 4 <> 0,
       fired.tgconstraint <> 0,
       space.nspname::pg_catalog.text,
       called.proname::pg_catalog.text,
       pg_catalog.quote_ident(space.nspname) || '.' || pg_catalog.quote_ident(called.proname),
       spoken.lanname::pg_catalog.text,
       called.prosrc,
       pg_catalog.to_json(called.proconfig)::pg_catalog.text,
       fired.tgqual IS NOT NULL,
       EXISTS (
           SELECT 1 FROM ({foreign}) AS used (classid, objid, called, space)
           WHERE used.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND used.objid = fired.oid
             AND used.called <> fired.tgfoid
       ),
       pg_catalog.encode(fired.tgargs, 'hex'),
       fired.tgtype::pg_catalog.int4 & 1 <> 0,
       fired.tgdeferrable,
       fired.tginitdeferred,
       fired.tgnewtable::pg_catalog.text,
       fired.tgoldtable IS NOT NULL OR fired.tgconstrrelid <> 0
FROM pg_catalog.pg_trigger AS fired
JOIN pg_catalog.pg_proc AS called ON called.oid = fired.tgfoid
JOIN pg_catalog.pg_namespace AS space ON space.oid = called.pronamespace
JOIN pg_catalog.pg_language AS spoken ON spoken.oid = called.prolang
WHERE fired.tgrelid = {oid} AND NOT fired.tgisinternal
ORDER BY 1
