-- How many IDs were sent and never received, received and never sent, and how many were received, of all.
SELECT count(*) FILTER (WHERE sent AND NOT received),
       count(*) FILTER (WHERE received AND NOT sent),
       count(*) FILTER (WHERE received),
       count(*) FILTER (WHERE sent)
FROM (
    SELECT bool_or(event IN ('send', 'resend')) AS sent, bool_or(event = 'receive') AS received
    FROM events
    WHERE event IN ('send', 'resend', 'receive')
    GROUP BY id
) AS ids
