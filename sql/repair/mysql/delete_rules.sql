-- What a DELETE of a table's row does with the rows that refer to it, by foreign key. Locks nothing.
SELECT constraint_schema, table_name, constraint_name, delete_rule, referenced_table_name
FROM information_schema.referential_constraints
WHERE unique_constraint_schema = {schema} AND referenced_table_name = {name}
