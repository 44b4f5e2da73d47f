-- The newest 20 runs of repair and migrate on each table, each as JSON. Reads the tool's own small table; locks no row.
SELECT told
FROM (
  SELECT
    CAST(JSON_OBJECT(
      'id', id, 'kind', kind, 'table_real', table_real, 'state', state, 'started_at', started_at,
      'finished_at', finished_at, 'who', who, 'host', host, 'groups_done', groups_done, 'rows_deleted', rows_deleted,
      'proof', proof, 'message', message
    ) AS CHAR) AS told,
    ROW_NUMBER() OVER (PARTITION BY table_real ORDER BY started_at DESC, id DESC) AS newest
  FROM dedupaudit_runs
) AS runs
WHERE newest <= 20
