-- The target schema for SQLite: what `migrate target` holds a database against, and --create makes.
-- By hand: sqlite3 -bail app.db ".read sqlite.sql"
-- Locks: the database for an instant.
-- A primary key says NOT NULL here too: an old bug that SQLite keeps lets NULL into one that does not.
-- Nothing sets updated_at by itself: SQLite has no ON UPDATE, so the writer does.

-- A picture of the screen: this row, and a JPEG in the object store.
-- status: pending, uploading, completed, failed. timestamp: milliseconds since 1970, UTC, by the device's clock.
CREATE TABLE screenshots (
    id TEXT NOT NULL PRIMARY KEY,
    device_id TEXT NOT NULL,
    oss_key TEXT,
    oss_url TEXT,
    status TEXT NOT NULL,
    "timestamp" INTEGER NOT NULL,
    file_size INTEGER,
    retry_count INTEGER DEFAULT 0,
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX screenshots_device_id ON screenshots (device_id);
CREATE INDEX screenshots_status ON screenshots (status);

-- A click, a key, a focus, a scroll.
CREATE TABLE activities (
    id TEXT NOT NULL PRIMARY KEY,
    device_id TEXT NOT NULL,
    type TEXT NOT NULL,
    "timestamp" INTEGER NOT NULL,
    data TEXT,
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX activities_device_id ON activities (device_id);
CREATE INDEX activities_timestamp ON activities ("timestamp");

-- The programs that ran.
CREATE TABLE processes (
    id TEXT NOT NULL PRIMARY KEY,
    device_id TEXT NOT NULL,
    "timestamp" INTEGER NOT NULL,
    data TEXT,
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
