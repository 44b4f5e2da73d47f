"""What nearly equal means: the one folding that `near_equal_ids` compares keys by."""

from __future__ import annotations

import unicodedata

# Every character that str.isspace() is true for; databases trim only what they are told to.
WHITE_SPACE = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())


def fold(text: str) -> str:
    """Return what trimming, case folding and NFKC make of a key.

    NFKC comes before and after casefold, as in Unicode's toNFKC_Casefold (UAX 31), because each can undo the other.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", folded).strip()
