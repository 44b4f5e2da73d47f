-- The target schema for PostgreSQL: what `migrate target` holds a database against, and --create makes.
-- By hand: psql -1 -v ON_ERROR_STOP=1 -f postgresql.sql (all in one transaction).
-- Locks: none that anybody meets, for the tables are new.

-- A picture of the screen: this row, and a JPEG in the object store.
-- status: pending, uploading, completed, failed. timestamp: milliseconds since 1970, UTC, by the device's clock.
CREATE TABLE screenshots (
    id varchar(255) PRIMARY KEY,
    device_id varchar(255) NOT NULL,
    oss_key varchar(512),
    oss_url varchar(512),
    status varchar(20) NOT NULL,
    "timestamp" bigint NOT NULL,
    file_size integer,
    retry_count integer DEFAULT 0,
    created_at timestamp with time zone NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at timestamp with time zone NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX screenshots_device_id ON screenshots (device_id);
CREATE INDEX screenshots_status ON screenshots (status);

-- PostgreSQL has no ON UPDATE. As that does elsewhere, this leaves a time alone that the statement sets itself.
CREATE FUNCTION screenshots_set_updated_at() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    NEW.updated_at := CURRENT_TIMESTAMP;
    RETURN NEW;
END
$$;
CREATE TRIGGER screenshots_set_updated_at BEFORE UPDATE ON screenshots
FOR EACH ROW WHEN (NEW.* IS DISTINCT FROM OLD.* AND NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at)
EXECUTE FUNCTION screenshots_set_updated_at();

-- A click, a key, a focus, a scroll.
CREATE TABLE activities (
    id varchar(255) PRIMARY KEY,
    device_id varchar(255) NOT NULL,
    type varchar(50) NOT NULL,
    "timestamp" bigint NOT NULL,
    data jsonb,
    created_at timestamp with time zone NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX activities_device_id ON activities (device_id);
CREATE INDEX activities_timestamp ON activities ("timestamp");

-- The programs that ran.
CREATE TABLE processes (
    id varchar(255) PRIMARY KEY,
    device_id varchar(255) NOT NULL,
    "timestamp" bigint NOT NULL,
    data jsonb,
    created_at timestamp with time zone NOT NULL DEFAULT CURRENT_TIMESTAMP
);
