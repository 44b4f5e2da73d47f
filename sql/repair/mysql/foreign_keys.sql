-- The columns of all foreign keys that refer to a table, and what they refer to. One sees those of tables on which one
-- has any right but SELECT. Reads the definitions of all tables; locks nothing.
SELECT table_schema, table_name, constraint_name, column_name, referenced_column_name,
       referenced_table_schema, referenced_table_name
FROM information_schema.key_column_usage
WHERE referenced_table_schema = {schema} AND referenced_table_name = {name}
ORDER BY table_schema, table_name, constraint_name, ordinal_position
