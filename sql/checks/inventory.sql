-- The lines of an inventory's data files that are current objects: no earlier version, no mark of a deletion.
SELECT {key} AS key, {size} AS size, {modified} AS modified, {etag} AS etag
FROM {lines}
WHERE {current}
