-- The number of keys that occur more than once, by the server's own equality. Uses no index; locks nothing.
SELECT COUNT(*)
FROM (
  SELECT SQL_BIG_RESULT 1
  FROM {table} AS t {without_indexes}
  WHERE {whole}
  GROUP BY {key}
  HAVING COUNT(*) > 1
) AS repeated
