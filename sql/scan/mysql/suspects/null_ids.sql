-- A part of the key is NULL: a UNIQUE index lets any number of these in.
{key_is_null}
