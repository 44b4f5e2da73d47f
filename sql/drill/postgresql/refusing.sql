-- Whether a table may refuse a second row that is like one it has: by a unique index without a column that has a default
-- of its own, such as a number. TRUE as well where there is no such table.
-- Locks: nothing that anybody waits for.
SELECT pg_catalog.to_regclass({table}) IS NULL OR EXISTS (
    SELECT 1 FROM pg_catalog.pg_index AS index
    WHERE index.indrelid = pg_catalog.to_regclass({table}) AND index.indisunique
      AND NOT EXISTS (
          SELECT 1 FROM pg_catalog.pg_attribute AS attribute
          WHERE attribute.attrelid = index.indrelid AND attribute.attnum = ANY (index.indkey::pg_catalog.int2[])
            AND (attribute.atthasdef OR attribute.attidentity <> '')
      )
)
