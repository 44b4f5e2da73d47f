-- The key may not be what trimming, case folding and NFKC would make of it: upper case, white space at an edge, or
-- anything outside ASCII. Two keys can only be near equal when one of them is such a key.
NOT ({key_is_null}) AND ({key_is_odd})
