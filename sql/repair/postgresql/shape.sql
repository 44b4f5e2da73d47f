-- One table as it is now, as one text: its OID, columns with types, foreign keys that refer to it, and its triggers and
-- rules. No row where there is no such table. Reads the catalog; locks nothing.
SELECT relation.oid::pg_catalog.text
    || coalesce((
        SELECT pg_catalog.string_agg(
            pg_catalog.concat_ws(
                ' ',
                pg_catalog.quote_ident(attribute.attname),
                pg_catalog.format_type(attribute.atttypid, attribute.atttypmod),
                attribute.attcollation,
                attribute.attnotnull,
                attribute.attgenerated,
                attribute.attidentity
            ),
            ', ' ORDER BY attribute.attnum
        )
        FROM pg_catalog.pg_attribute AS attribute
        WHERE attribute.attrelid = relation.oid AND attribute.attnum > 0 AND NOT attribute.attisdropped
    ), '')
    || coalesce((
        SELECT ', references ' || pg_catalog.string_agg(
            pg_catalog.concat_ws(' ', link.oid, link.conrelid, link.confdeltype, link.conkey, link.confkey),
            ', ' ORDER BY link.oid
        )
        FROM pg_catalog.pg_constraint AS link
        WHERE link.confrelid = relation.oid AND link.contype = 'f'
    ), '')
    || coalesce((
        SELECT ', triggers ' || pg_catalog.string_agg(
            pg_catalog.concat_ws(' ', fired.oid, fired.tgenabled), ', ' ORDER BY fired.oid
        )
        FROM pg_catalog.pg_trigger AS fired
        WHERE fired.tgrelid = relation.oid AND NOT fired.tgisinternal
    ), '')
    || coalesce((
        SELECT ', rules ' || pg_catalog.string_agg(
            pg_catalog.concat_ws(' ', rule.oid, rule.ev_enabled), ', ' ORDER BY rule.oid
        )
        FROM pg_catalog.pg_rewrite AS rule
        WHERE rule.ev_class = relation.oid
    ), '')
FROM pg_catalog.pg_class AS relation
WHERE relation.oid = {oid}
