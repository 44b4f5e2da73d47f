-- Whether a table may refuse a second row that is like one it has: by a unique index without a column that is another
-- one each time, a number or a UUID that its default makes; or by a trigger or a rule of its own. TRUE as well where there
-- is no such table.
-- Locks: nothing that anybody waits for.
SELECT pg_catalog.to_regclass({table}) IS NULL OR EXISTS (
    SELECT 1 FROM pg_catalog.pg_index AS index
    WHERE index.indrelid = pg_catalog.to_regclass({table}) AND index.indisunique
      AND NOT EXISTS (
          SELECT 1 FROM pg_catalog.pg_attribute AS attribute
          WHERE attribute.attrelid = index.indrelid AND attribute.attnum = ANY (index.indkey::pg_catalog.int2[])
            AND (
                attribute.attidentity <> ''
                OR EXISTS (
                    SELECT 1 FROM pg_catalog.pg_attrdef AS stored
                    WHERE stored.adrelid = attribute.attrelid AND stored.adnum = attribute.attnum
                      AND pg_catalog.pg_get_expr(stored.adbin, stored.adrelid) ~ '(nextval|uuid|uuid_generate_v[14])\('
                )
            )
      )
) OR EXISTS (
    SELECT 1 FROM pg_catalog.pg_trigger AS fired
    WHERE fired.tgrelid = pg_catalog.to_regclass({table}) AND NOT fired.tgisinternal
      AND fired.tgtype::pg_catalog.int4 & 4 <> 0
) OR EXISTS (
    SELECT 1 FROM pg_catalog.pg_rewrite AS rewritten
    WHERE rewritten.ev_class = pg_catalog.to_regclass({table}) AND rewritten.ev_type = '3'
)
