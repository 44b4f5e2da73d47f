-- Whether one of the tool's own tables is still as it was made: kind; whether something was put on it (a trigger, a rule,
-- row-level security, a constraint of somebody's, a unique index, inheritance); whether the role may work in it; whether
-- it may add columns to it. Reads the catalog; locks nothing.
SELECT relation.relkind::pg_catalog.text,
       EXISTS (SELECT 1 FROM pg_catalog.pg_trigger AS fired WHERE fired.tgrelid = relation.oid)
           OR EXISTS (SELECT 1 FROM pg_catalog.pg_rewrite AS rule WHERE rule.ev_class = relation.oid)
           OR EXISTS (
               SELECT 1 FROM pg_catalog.pg_inherits AS line
               WHERE line.inhrelid = relation.oid OR line.inhparent = relation.oid
           )
           OR relation.relrowsecurity
           OR EXISTS (
               SELECT 1 FROM pg_catalog.pg_constraint AS kept
               WHERE kept.conrelid = relation.oid AND kept.contype NOT IN ('n', 'p')
           )
           OR EXISTS (
               SELECT 1 FROM pg_catalog.pg_index AS listed
               WHERE listed.indrelid = relation.oid AND listed.indisunique AND NOT listed.indisprimary
           ),
       pg_catalog.has_table_privilege(relation.oid, 'SELECT')
           AND pg_catalog.has_table_privilege(relation.oid, 'INSERT')
           AND pg_catalog.has_table_privilege(relation.oid, 'UPDATE')
           AND pg_catalog.has_table_privilege(relation.oid, 'DELETE'),
       pg_catalog.pg_has_role(relation.relowner, 'USAGE')
FROM pg_catalog.pg_class AS relation
WHERE relation.oid = {oid}
