-- Whether a table may refuse a second row that is like one it has: by a unique index without a column that is another
-- one each time, a number or a UUID that its default makes; or by a trigger of its own. 1 as well where no such table is
-- seen. Locks nothing.
SELECT NOT EXISTS (
    SELECT 1 FROM information_schema.tables WHERE table_schema = {schema} AND table_name = {name}
) OR EXISTS (
    SELECT 1
    FROM information_schema.statistics AS s
    JOIN information_schema.columns AS c
      ON c.table_schema = s.table_schema AND c.table_name = s.table_name AND c.column_name = s.column_name
    WHERE s.table_schema = {schema} AND s.table_name = {name} AND s.non_unique = 0
    GROUP BY s.index_name
    HAVING sum(
        c.extra LIKE '%auto_increment%'
        OR (lower(c.column_default) LIKE 'uuid()' OR lower(c.column_default) LIKE 'nextval(%') IS TRUE
    ) = 0
) OR EXISTS (
    SELECT 1 FROM information_schema.triggers
    WHERE event_object_schema = {schema} AND event_object_table = {name} AND event_manipulation = 'INSERT'
)
