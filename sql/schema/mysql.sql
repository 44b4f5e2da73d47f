-- The target schema for MySQL and MariaDB: what `migrate target` holds a database against, and --create makes.
-- By hand: mysql app < mysql.sql (each statement commits by itself).
-- Locks: none that anybody meets, for the tables are new.
-- The collation compares IDs by their bytes: the usual ones call activity_1 and Activity_1 one ID. (Of spaces at the
-- end it makes nothing, like all collations that both servers have.)

-- A picture of the screen: this row, and a JPEG in the object store.
-- status: pending, uploading, completed, failed. timestamp: milliseconds since 1970, UTC, by the device's clock.
CREATE TABLE screenshots (
    id VARCHAR(255) NOT NULL PRIMARY KEY,
    device_id VARCHAR(255) NOT NULL,
    oss_key VARCHAR(512),
    oss_url VARCHAR(512),
    status VARCHAR(20) NOT NULL,
    `timestamp` BIGINT NOT NULL,
    file_size INT,
    retry_count INT DEFAULT 0,
    created_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    updated_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
    INDEX screenshots_device_id (device_id),
    INDEX screenshots_status (status)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin;

-- A click, a key, a focus, a scroll.
CREATE TABLE activities (
    id VARCHAR(255) NOT NULL PRIMARY KEY,
    device_id VARCHAR(255) NOT NULL,
    type VARCHAR(50) NOT NULL,
    `timestamp` BIGINT NOT NULL,
    data JSON,
    created_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    INDEX activities_device_id (device_id),
    INDEX activities_timestamp (`timestamp`)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin;

-- The programs that ran.
CREATE TABLE processes (
    id VARCHAR(255) NOT NULL PRIMARY KEY,
    device_id VARCHAR(255) NOT NULL,
    `timestamp` BIGINT NOT NULL,
    data JSON,
    created_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin;
