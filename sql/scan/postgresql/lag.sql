-- How many seconds this server may be behind its primary: 0 where it is one, NULL where nobody knows. A standby that has
-- replayed all that it received is as old as the primary's last message; only a role with pg_read_all_stats sees that one,
-- to others a standby is as old as the last transaction it replayed. Reads statistics; locks nothing.
SELECT CASE
    WHEN NOT pg_catalog.pg_is_in_recovery() THEN 0
    ELSE pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - coalesce(
        (SELECT receiver.last_msg_receipt_time
         FROM pg_catalog.pg_stat_wal_receiver AS receiver
         WHERE receiver.status = 'streaming'
           AND receiver.last_msg_receipt_time > pg_catalog.clock_timestamp() - '60 seconds'::pg_catalog.interval
           AND pg_catalog.pg_last_wal_replay_lsn() = pg_catalog.pg_last_wal_receive_lsn()),
        pg_catalog.pg_last_xact_replay_timestamp()
    ))
END::pg_catalog.float8
