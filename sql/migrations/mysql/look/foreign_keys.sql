-- The columns of the foreign keys that a table has, or that refer to it, and their rules. Locks nothing.
SELECT u.constraint_name, u.table_schema, u.table_name, u.column_name, r.delete_rule, r.update_rule,
       u.table_schema = {schema} AND u.table_name = {name}
FROM information_schema.key_column_usage AS u
JOIN information_schema.referential_constraints AS r
  ON r.constraint_schema = u.constraint_schema AND r.constraint_name = u.constraint_name
  AND r.table_name = u.table_name
WHERE u.referenced_table_name IS NOT NULL
  AND ((u.table_schema = {schema} AND u.table_name = {name})
       OR (u.referenced_table_schema = {schema} AND u.referenced_table_name = {name}))
ORDER BY u.table_schema, u.table_name, u.constraint_name, u.ordinal_position
