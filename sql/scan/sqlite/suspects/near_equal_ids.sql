-- The key is not already what trimming, case folding and NFKC would make of it: upper case, white space at an edge,
-- anything outside ASCII, or a NUL. Two keys can only be near equal when one of them is such a key.
{key_is_odd}
