-- Of some names, those of functions that may do more than compute: their results are not a matter of their arguments.
-- Reads the catalog; locks nothing that anybody waits for.
SELECT DISTINCT function.proname::pg_catalog.text
FROM pg_catalog.pg_proc AS function
WHERE function.provolatile = 'v'
  AND function.proname::pg_catalog.text = ANY ({names})
  AND function.proname NOT IN ('random', 'clock_timestamp', 'timeofday', 'gen_random_uuid')
ORDER BY 1
