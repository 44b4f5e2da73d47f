-- An upload that never ended. Its age is judged by the caller, who knows the time zone of naive times.
{status_text} IN ('pending', 'uploading')
