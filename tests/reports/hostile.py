"""Reports in which every foreign value is hostile: one that is fixed, and any number that hypothesis makes up."""

from __future__ import annotations

from math import isfinite
from typing import Any

from hypothesis import strategies as st

from dedupaudit.model import Report
from tests.reports import samples

TEXTS: tuple[str, ...] = (
    *samples.HOSTILE,
    "\x00",
    "a\x00b",
    "\x0b\x0c\x1c\x85",
    "\ufffe\uffff",
    "]]>",
    "<![CDATA[x]]>",
    "<!-- x -->",
    "<?xml?>",
    "&amp;&#0;&lt;",
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "</style></title></textarea></svg>",
    "\"><svg onload=alert(1)>' onmouseover='alert(1)",
    "javascript:alert(1)",
    "{{7*7}}{%x%}${x}",
    "../../etc/passwd",
    "../../etc/passwd:7",
    "app.log:88",
    "C:\\logs\\app.log:1",
    "https://user:pass@evil.example/?a=b#c",
    "@everyone #1 !1",
    "[x](javascript:alert(1)) ![x](http://evil.example/x.png)",
    "a|b\\|c``` `",
    "- item\n# head\n```\nfence",
    'a="b",c{d="e"} 1',
    "\\",
    '\\"',
    "a,b;c\td",
    "＝1+1",
    "%s %(x)s %n",
    "null",
    "NaN",
    "1e999",
    "*",
    " ",
)
LONG = ("x" * 100_000, "<b>" * 33_334, "\x1b[31m" * 20_000, "`|" * 50_000, "é\u202e" * 30_000)
MOMENTS = (None, "2025-12-24T08:01:14.487Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2025-13-99T25Z")
NUMBERS = (0, 1, -1, 3, 2**31, 2**63, 2**70)
REALS = (0.0, 120.0, -1.5, 1e-320, 1.7e308, float("nan"), float("inf"), float("-inf"))

texts = st.sampled_from(TEXTS) | st.text(max_size=20) | st.lists(st.sampled_from(TEXTS), max_size=3).map("".join)
_moments = st.sampled_from(MOMENTS) | texts
_numbers = st.sampled_from(NUMBERS) | st.integers()
_maybe_numbers = st.none() | _numbers
_reals = st.sampled_from(REALS) | st.floats()
_keys = st.dictionaries(texts, st.none() | texts | _numbers | texts.map(lambda text: {"base64": text}), max_size=3)
_severities = st.sampled_from(("high", "medium", "low"))
_checks = st.sampled_from((*samples.CHECKS, *samples.STORE_CHECKS, "requeue")) | texts
_sources = st.sampled_from(("db", "objects", "logs")) | texts
_targets = st.sampled_from(("activities", "*", samples.STORE)) | texts
_place = {"source": _sources, "target": _targets, "check": _checks}


def _some(each: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[list[Any]]:
    return st.lists(each, max_size=most)


_evidence = st.fixed_dictionaries(
    {"kind": st.sampled_from(("row", "log", "object", "index")), "at": _moments, "where": texts, "text": texts}
)
_causes = st.fixed_dictionaries(
    {
        "name": texts,
        "confidence": st.sampled_from(("proved", "likely", "none")),
        "why": texts,
        "enabled_by": _some(texts, 2),
    }
)
findings = st.fixed_dictionaries(
    {
        **_place,
        "fingerprint": texts,
        "severity": _severities,
        "verdict": st.sampled_from(("confirmed", "in_grace", "unknown")),
        "key": _keys,
        "key_raw": st.none() | st.dictionaries(texts, texts.map(lambda text: {"base64": text}), max_size=2),
        "count": _numbers,
        "class": st.sampled_from((None, "identical", "mergeable", "conflicting")),
        "differs": _some(texts, 2),
        "first_at": _moments,
        "last_at": _moments,
        "gap_seconds": st.none() | _reals,
        "message": texts,
        "evidence": _some(_evidence),
        "cause": st.none() | _causes,
        "suggestion": texts,
        "news": st.sampled_from((None, "new", "known")),
        "known_since": _moments,
        "novel": texts,
    }
)
_coverage = st.fixed_dictionaries(
    {
        **_place,
        "status": st.sampled_from(("checked", "skipped", "failed", "stopped")),
        "reason": st.none() | texts,
        "rows": _maybe_numbers,
        "strategy": st.sampled_from((None, "catalog", "pushdown", "listing", "file")),
        "why": st.none() | texts,
        "seconds": _reals.filter(isfinite),  # JSON has no other, and this field is never null
    }
)
_gone = st.fixed_dictionaries(
    {**_place, "fingerprint": texts, "severity": _severities, "key": _keys, "known_since": _moments}
)
_changes = st.fixed_dictionaries(
    {
        "baseline": texts,
        "baseline_run": st.none() | texts,
        "baseline_at": _moments,
        **dict.fromkeys(("new", "known", "gone", "not_looked_at"), _numbers),
        "new_by_severity": st.dictionaries(_severities, _numbers),
        "gone_findings": _some(_gone),
    }
)
_thresholds = st.fixed_dictionaries({**_place, "limit": texts, "rows": _maybe_numbers, "exceeded": st.booleans()})
_repairs = st.fixed_dictionaries(
    {
        **dict.fromkeys(("run", "source", "target", "state", "by"), texts),
        "kind": st.sampled_from(("repair", "migrate")),
        "started_at": texts,
        "finished_at": _moments,
        **dict.fromkeys(("groups", "rows_deleted", "rows_journalled", "rows_in_quarantine"), _maybe_numbers),
        "holds": st.sampled_from((None, True, False)),
        "said": _some(texts, 2),
    }
)
_groups = st.fixed_dictionaries({"group": st.none() | texts, "rows": _numbers, "distinct_ids": _numbers}).map(
    lambda group: {**group, "inflation": 0.5}
)
_tables = st.fixed_dictionaries(
    {
        **dict.fromkeys(("rows", "distinct_ids", "duplicate_ids", "surplus_rows", "null_ids"), _maybe_numbers),
        "inflation": st.none() | _reals,
        "by_group": st.none() | _some(_groups),
        "by_day": st.none() | _some(st.fixed_dictionaries({"day": st.none() | texts, "surplus_rows": _numbers})),
        "causes": st.none() | st.dictionaries(texts, st.just({"proved": 1, "likely": 2}), max_size=2),
    }
)
_lines = st.fixed_dictionaries(
    {**dict.fromkeys(("what", "how_much", "since", "why"), texts), "next": st.lists(texts, max_size=2)}
)
_documents = st.fixed_dictionaries(
    {
        "tool": st.fixed_dictionaries({"version": texts}),
        "run": st.fixed_dictionaries(dict.fromkeys(("id", "command", "started_at", "finished_at"), texts)),
        "complete": st.booleans(),
        "truncated": st.booleans(),
        "coverage": st.lists(_coverage, min_size=1, max_size=4),
        "findings": st.lists(findings, min_size=1, max_size=4),
        "repairs": _some(_repairs, 2),
        "summary": st.fixed_dictionaries(
            {
                "findings": _numbers,
                "by_check": st.dictionaries(_checks, _numbers, max_size=3),
                "by_severity": st.dictionaries(_severities, _numbers),
                "by_verdict": st.just({"confirmed": 1}),
                "tables": st.dictionaries(texts, _tables, max_size=2),
                "objects": st.none() | st.dictionaries(texts, st.just({"rows": 1, "objects": 2**70}), max_size=2),
                "five_lines": st.none() | _lines,
                "changes": st.none() | _changes,
                "thresholds": _some(_thresholds, 2),
            }
        ),
    }
)
reports = _documents.map(Report.model_validate)


def hostile_report() -> Report:
    """Return a report with each hostile text in each foreign field, and long ones where a database's values go."""
    every = TEXTS
    made = samples.report(
        [*(_finding(number, text) for number, text in enumerate(every)), *map(_long_finding, LONG)],
        [_row(number, text) for number, text in enumerate((*every, LONG[0]))],
        {
            text: {"rows": 1, "by_group": [{"group": text, "rows": 1, "distinct_ids": 1, "inflation": 0}]}
            for text in every
        },
        complete=False,
        repairs=[_proof(text) for text in every],
    )
    document = made.model_dump(mode="json", by_alias=True)
    document["tool"]["version"] = document["run"]["id"] = document["run"]["command"] = "".join(TEXTS)
    document["summary"]["by_check"] = dict.fromkeys(every, 1)
    document["summary"]["five_lines"] = dict.fromkeys(("what", "how_much", "since", "why"), "".join(TEXTS)) | {
        "next": list(every)
    }
    document["summary"]["changes"] = {
        "baseline": "".join(TEXTS),
        "baseline_run": LONG[0],
        "baseline_at": LONG[1],
        **{"new": len(every), "known": 0, "gone": len(every), "not_looked_at": 1, "new_by_severity": {"high": 1}},
        "gone_findings": [
            {**_named(text), "fingerprint": text, "severity": "low", "key": {text: text}, "known_since": text}
            for text in every
        ],
    }
    document["summary"]["thresholds"] = [
        {**_named(text), "limit": text, "rows": 1, "exceeded": number % 2 == 0} for number, text in enumerate(every)
    ]
    return Report.model_validate(document)


def _named(text: str) -> dict[str, str]:
    return {"source": text, "target": text, "check": text}


def _finding(number: int, text: str) -> dict[str, Any]:
    return samples.duplicate(
        number,
        **_named(text),
        key={text: text},
        key_raw={text: {"base64": text}},
        verdict=("confirmed", "confirmed", "in_grace", "unknown")[number % 4],
        message=text,
        suggestion=text,
        differs=[text],
        first_at=text,
        last_at=text,
        cause={"name": text, "confidence": "likely", "why": text, "enabled_by": [text]},
        evidence=[{"kind": "log", "at": text, "where": text, "text": text}],
        news=(None, "new", "known")[number % 3],
        known_since=text,
    )


def _long_finding(text: str) -> dict[str, Any]:
    evidence = [{"kind": "log", "where": f"{text}:1", "text": text}]
    return samples.duplicate(key={"activity_id": text}, message=text, evidence=evidence)


def _row(number: int, text: str) -> dict[str, Any]:
    status = ("checked", "skipped", "failed", "stopped")[number % 4]
    return {**_named(text), "status": status, "reason": text, "why": text, "seconds": 0.1}


def _proof(text: str) -> dict[str, Any]:
    words = dict.fromkeys(("run", "source", "target", "state", "started_at", "finished_at", "by"), text)
    return {**words, "said": [text], "holds": None}
