-- Keys that differ byte by byte and would be one after trimming, case folding and NFKC.
-- Returns, set by set: how many keys the set has, the number of the key's class under the column's own equality
-- (one class: the collation joins them already), the key, and its rows. Reads the table twice and sorts the suspects.
WITH odd AS MATERIALIZED (
    SELECT DISTINCT {folded}
    FROM {table}
    WHERE {where} AND NOT ({key_is_null}) AND ({key_is_odd})
),
variant AS MATERIALIZED (
    SELECT {folded_named}, {key_named}, COUNT(*) AS n
    FROM {table}
    WHERE {where} AND NOT ({key_is_null}) AND ({folded}) IN (SELECT * FROM odd)
    GROUP BY {folds}, {key_bytewise}
)
SELECT COUNT(*) OVER (PARTITION BY {folds}),
       DENSE_RANK() OVER (PARTITION BY {folds} ORDER BY {key_names}),
       {key_names}, n
FROM variant
ORDER BY {folds}
