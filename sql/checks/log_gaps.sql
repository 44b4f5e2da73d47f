-- The lengths, in whole tenths of a second, from a send to the re-queue that follows it, and from a re-queue to the next
-- send; of re-queued IDs only. A time that went backwards is left out.
SELECT kind, tenths, count(*)
FROM (
    SELECT CASE WHEN event = 'requeue' THEN 'send_to_requeue' ELSE 'requeue_to_send' END AS kind,
           ((moment - before) // 100000)::BIGINT AS tenths, earlier, event
    FROM (
        SELECT event, moment,
               lag(moment) OVER (PARTITION BY events.id ORDER BY moment, file, line) AS before,
               lag(event) OVER (PARTITION BY events.id ORDER BY moment, file, line) AS earlier
        FROM events SEMI JOIN (SELECT id FROM events WHERE event = 'requeue') AS again USING (id)
        WHERE event IN ('send', 'resend', 'requeue') AND moment IS NOT NULL
    ) AS pairs
) AS gaps
WHERE tenths >= 0 AND ((event = 'requeue' AND earlier <> 'requeue') OR (event <> 'requeue' AND earlier = 'requeue'))
GROUP BY kind, tenths
ORDER BY kind, tenths
