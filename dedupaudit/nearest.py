"""The valid name that a mistyped one was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """Return the valid name that looks most like `name`, whatever its case; None where none comes close."""
    from difflib import get_close_matches  # late: only a typo needs it

    folded: dict[str, str] = {}
    for candidate in valid:
        folded.setdefault(candidate.casefold(), candidate)
    # Foreign names have no bounded length, and difflib takes quadratic time: nobody mistypes 200 characters.
    close = get_close_matches(name[:200].casefold(), folded, n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """Return `did you mean `x`?`, or an empty text where nothing comes close."""
    near = nearest(name, valid)
    return f"did you mean `{near}`?" if near else ""
