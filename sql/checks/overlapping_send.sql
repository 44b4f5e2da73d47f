-- IDs that a client sent again while an earlier upload of them still ran: the ID and how often. The n-th row that was
-- written belongs to the n-th send, where every send arrived. Two first sends are two things, and no overlap.
WITH again AS (
    SELECT id
    FROM events
    WHERE event IN ('send', 'resend')
    GROUP BY id
    HAVING count(*) > 1
),
told AS (
    SELECT id, name, event, moment - CASE WHEN event IN ('send', 'resend', 'requeue') THEN coalesce(ahead, 0) ELSE 0 END AS moment
    FROM events JOIN again USING (id) JOIN files USING (file)
    LEFT JOIN clocks ON clocks.stream = files.stream AND clocks.device IS NOT DISTINCT FROM events.device
    WHERE moment IS NOT NULL AND event IN ('send', 'resend', 'requeue', 'receive', 'db_write')
),
arrived AS (
    SELECT id
    FROM told
    GROUP BY id
    HAVING count(*) FILTER (WHERE event = 'receive') >= count(*) FILTER (WHERE event IN ('send', 'resend'))
),
requeued AS (SELECT id, min(moment) AS moment FROM told WHERE event = 'requeue' GROUP BY id),
sends AS (
    SELECT id, name, event, moment, row_number() OVER (PARTITION BY id ORDER BY moment) AS n
    FROM told
    WHERE event IN ('send', 'resend')
),
writes AS (
    SELECT id, moment, row_number() OVER (PARTITION BY id ORDER BY moment) AS n
    FROM told
    WHERE event = 'db_write'
)
SELECT sends.id, count(*) AS times
FROM sends
JOIN arrived ON arrived.id = sends.id
JOIN writes ON writes.id = sends.id AND writes.n = sends.n - 1
LEFT JOIN requeued ON requeued.id = sends.id
WHERE sends.moment < writes.moment AND (sends.event = 'resend' OR requeued.moment <= sends.moment)
GROUP BY sends.id
ORDER BY times DESC, any_value(sends.name) NULLS FIRST, sends.id
