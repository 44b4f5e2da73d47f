-- Completed without a key or URL, or never completed and yet with a key.
({status_text} = 'completed' AND ({object_is_missing}))
OR ({status_text} IN ('pending', 'uploading', 'failed') AND ({object_is_named}))
