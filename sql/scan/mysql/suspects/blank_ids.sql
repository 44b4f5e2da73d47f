-- A part of the key is empty or only white space (Unicode's), and none is NULL.
NOT ({key_is_null}) AND ({key_is_blank})
