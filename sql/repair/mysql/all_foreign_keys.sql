-- All foreign keys of the server as InnoDB knows them, those that the role has no right on too: who refers to whom, as
-- it is stored and decoded from the names of files. Needs PROCESS. Locks nothing.
SELECT for_name, ref_name,
       CONVERT(CONVERT(CAST(SUBSTRING_INDEX(for_name, '/', 1) AS BINARY) USING filename) USING utf8mb4),
       CONVERT(CONVERT(CAST(SUBSTRING_INDEX(for_name, '/', -1) AS BINARY) USING filename) USING utf8mb4),
       CONVERT(CONVERT(CAST(SUBSTRING_INDEX(ref_name, '/', 1) AS BINARY) USING filename) USING utf8mb4),
       CONVERT(CONVERT(CAST(SUBSTRING_INDEX(ref_name, '/', -1) AS BINARY) USING filename) USING utf8mb4)
FROM information_schema.{foreign}
