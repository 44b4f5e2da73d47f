-- Completed without a key or URL, or never completed and yet with a key.
({status} COLLATE BINARY = 'completed' AND ({object_is_missing}))
OR ({status} COLLATE BINARY IN ('pending', 'uploading', 'failed') AND ({object_is_named}))
