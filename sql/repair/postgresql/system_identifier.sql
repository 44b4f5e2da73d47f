-- The number that initdb gave the cluster. Reads the control file; locks nothing.
SELECT control.system_identifier::pg_catalog.text
FROM pg_catalog.pg_control_system() AS control
