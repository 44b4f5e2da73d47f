-- A part of the key is empty or only white space (Unicode's).
{key_is_blank}
