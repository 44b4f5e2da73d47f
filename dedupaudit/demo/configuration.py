"""The demo's `dedupaudit.toml`: what a user would write, with a word on each line."""

from __future__ import annotations

CONFIGURATION = """\
# The configuration of dedupaudit's demo. Paths are meant from this file's folder.

[database]
url = "sqlite:///app.db"          # a server would be postgresql://user@host/name or mysql://user@host/name

[tables.activities]               # clicks, keys, focus changes, scrolling
key = ["id"]                      # what should be unique, and is not: the primary key is another column, `seq`
device = "device_id"              # whose rows they are
time = "created_at"               # when a row was written; these times are UTC
group = "type"                    # inflation is shown for each kind

[tables.screenshots]              # one row a picture, and one object
key = ["id"]
device = "device_id"
time = "created_at"
status = "status"                 # pending, uploading, completed or failed
object_key = "oss_key"
object_url = "oss_url"
size = "file_size"                # bytes

[tables.processes]                # lists of running programs
key = ["id"]
device = "device_id"
time = "created_at"

[objects]                         # for `crosscheck` and `audit`
url = "file:objects"              # the folder that stands for the bucket's root
template = "screenshots/{device_id}/{id}.jpg"

[logs]                            # for `logs` and `audit`
files = ["logs/*.log*"]           # the client's and the backend's, rotated ones too
timezone = "UTC"                  # of times that name none
"""
