-- By how many microseconds the clock of each client stream (and device, where its lines name one) is ahead of the backend's,
-- over IDs that have one send and one receive, at a few of which ({every}) are looked: the largest difference that is not
-- far above the median is that of a message that took no time; the share of those near the median; how many there are.
WITH pairs AS (
    SELECT any_value(file) FILTER (WHERE event = 'send') AS file,
           any_value(device) FILTER (WHERE event = 'send') AS device,
           min(moment) FILTER (WHERE event = 'send') - min(moment) FILTER (WHERE event = 'receive') AS ahead
    FROM events
    WHERE hash(id) % {every} = 0 AND event IN ('send', 'resend', 'receive')
    GROUP BY id
    HAVING count(*) FILTER (WHERE event = 'send') = 1 AND count(*) FILTER (WHERE event = 'receive') = 1
       AND count(*) FILTER (WHERE event = 'resend') = 0
),
told AS (
    SELECT stream, device, ahead, median(ahead) OVER (PARTITION BY stream, device) AS usual
    FROM pairs JOIN files USING (file)
    WHERE ahead IS NOT NULL
)
SELECT stream, device, max(ahead) FILTER (WHERE ahead <= usual + {steady})::BIGINT,
       avg((abs(ahead - usual) <= {steady})::INTEGER), count(*)
FROM told
GROUP BY stream, device
