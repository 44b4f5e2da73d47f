"""Which events a line tells of: the client's and the backend's words, Chinese and English.

Words are looked for in UTF-8 bytes in which the IDs are masked. A line that says both timeout and re-queue tells of
both; of all else a line tells one event, the first that matches in the order below.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal, NamedTuple

from dedupaudit.sources.logs.encodings import UNDEFINED

EVENTS = (
    "send", "resend", "timeout", "requeue", "receive", "db_write", "response", "response_lost", "upload_done",
    "upload_failed", "idempotent_skip", "concurrent_wait", "retry",
)  # fmt: skip
Classify = Callable[[bytes], tuple[str, ...]]


class Words(NamedTuple):
    """The words of one event: Chinese ones as they are written, English ones as a pattern in ASCII."""

    profile: Literal["client", "backend"]
    event: str
    chinese: tuple[str, ...]
    english: str
    not_followed_by: tuple[str, ...] = ()


_ANSWER = r"(?:response|answer|reply)"
_ONE = r"(?: \S{1,200})?"  # mostly the masked ID
_RESENT = r"\b(?:re-?sen(?:d|ds|ding|t)|sen(?:d|ding|t)" + _ONE + r" again)\b"

# In the order in which they are tried.
PROFILES = (
    Words("client", "requeue", ("重新入队", "重新排队"), r"(?-i:\b[Rr]e-?queu(?:e|ed|es|ing)\b)"),
    Words(
        "backend",
        "idempotent_skip",
        ("已完成上传，跳过",),
        r"\[idempotent\]|\balready (?:exists|uploaded|completed|stored)\b",
    ),
    Words(
        "backend",
        "concurrent_wait",
        ("正在上传中",),
        r"\[concurrent\]|\b(?:upload in progress|already uploading|being uploaded)\b",
    ),
    Words("backend", "retry", ("之前失败",), r"\[retry\]|\b(?:failed before|previously failed)\b"),
    Words(
        "backend",
        "response_lost",
        ("响应丢失",),
        rf"\b{_ANSWER} (?:was |is )?lost\b|\blost (?:the )?{_ANSWER}\b",
    ),
    Words("backend", "upload_failed", ("上传失败",), rf"\bupload(?: of{_ONE})? failed\b|\bfailed to upload\b"),
    Words(
        "client",
        "resend",
        ("超时后再次发送", "超时后重新发送"),
        rf"{_RESENT}.{{0,80}}\bafter (?:a |the )?time-?out",
    ),
    Words("client", "timeout", ("超时",), r"\btim(?:ed?|ing)[ -]?out\b"),
    Words("client", "resend", ("再次发送", "重新发送"), _RESENT),
    Words(
        "backend",
        "response",
        ("发送响应",),
        rf"\b{_ANSWER} (?:was |is )?sent\b|\bsen(?:d|ding|t) (?:the |an? )?{_ANSWER}\b",
    ),
    Words(
        "backend",
        "db_write",
        ("写入数据库", "插入数据库成功"),
        rf"\b(?:written|wrote|writing|inserted|saved|stored){_ONE} (?:in|into|to) (?:the )?(?:database|db)\b",
        ("失败",),
    ),
    Words(
        "backend",
        "upload_done",
        ("上传完成", "上传成功"),
        rf"\bupload(?: of{_ONE})? (?:is )?(?:done|completed?|finished|succeeded)\b|\buploaded\b",
    ),
    Words("backend", "receive", ("接收",), r"(?<!not )\breceiv(?:ed|ing|e)\b", ("失败", "响应")),
    Words("client", "send", ("发送",), r"(?<!not )\b(?:send|sending|sent)\b", ("失败", "响应")),
)

# One of these is in every line of the event, in UTF-8: where they are few they are faster than any pattern. That is why
# the English words of a re-queue are not looked for in capitals.
_LITERALS = {"requeue": (re.compile("重新".encode()), re.compile(rb"q(?<=[e-]q)ueu"))}


def classifier(*, lossy: bool) -> Classify:
    """Return what finds a line's events; `lossy` where bytes that Windows-1252 leaves undefined may be missing."""
    compiled = [(words.event, re.compile(_pattern(words, lossy), re.IGNORECASE | re.DOTALL)) for words in PROFILES]
    timeout = next(pattern for event, pattern in compiled if event == "timeout")

    def classify(text: bytes) -> tuple[str, ...]:
        for event, pattern in compiled:
            if pattern.search(text):
                return ("timeout", "requeue") if event == "requeue" and timeout.search(text) else (event,)
        return ()

    return classify


def literals(wanted: frozenset[str] | None) -> tuple[re.Pattern[bytes], ...] | None:
    """Return patterns of which one is in every line of the wanted events; None where every line must be looked at."""
    if not wanted or not all(event in _LITERALS for event in wanted):
        return None
    return tuple(literal for event in sorted(wanted) for literal in _LITERALS[event])


def _pattern(words: Words, lossy: bool) -> bytes:
    exclude = [_exactly(word, lossy) for word in words.not_followed_by]
    behind = b"(?!" + b"|".join(exclude) + b")" if exclude else b""
    chinese = [_exactly(word, lossy) + behind for word in words.chinese]
    return b"|".join([*chinese, words.english.encode("ascii")])


def _exactly(word: str, lossy: bool) -> bytes:
    """Return a pattern of the word's bytes, in which undefined ones may be lost, or replaced."""
    pattern = b""
    for byte in word.encode("utf-8"):
        plain = b"\\x%02x" % byte
        pattern += b"(?:%s|\\?|\xef\xbf\xbd)?" % plain if lossy and byte in UNDEFINED else plain
    return pattern
