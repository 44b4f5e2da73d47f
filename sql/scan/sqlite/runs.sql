-- The newest 20 runs of repair and migrate on each table, each as JSON. Reads the tool's own small table; a shared lock for
-- as long as it runs.
SELECT told
FROM (
  SELECT
    json_object(
      'id', id, 'kind', kind, 'table_real', table_real, 'state', state, 'started_at', started_at,
      'finished_at', finished_at, 'who', who, 'host', host, 'groups_done', groups_done, 'rows_deleted', rows_deleted,
      'proof', proof, 'message', message
    ) AS told,
    ROW_NUMBER() OVER (PARTITION BY table_real ORDER BY started_at DESC, id DESC) AS newest
  FROM main.dedupaudit_runs
) AS runs
WHERE newest <= 20
