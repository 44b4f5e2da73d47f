"""Crosscheck against the oracle, over rows and objects with hostile keys, sizes, ETags, statuses and times."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from dedupaudit.building import Outcome
from dedupaudit.config import TableSettings
from dedupaudit.sources.objects.protocol import ObjectFact
from tests.crosscheck import oracle
from tests.crosscheck.oracle import Expected, Id, Named, Row, Thing, Told
from tests.crosscheck.shots import CHECKS, DATABASES, OLD, SCREENSHOTS, Database, Shot, checked, named, settings_of
from tests.crosscheck.stub import URL, StubObjects, in_place_of_a_bucket

SQLITE, *SERVERS = DATABASES
GRACE = 3600
NEARLY = 120  # seconds on either side of the grace: a busy machine does not take as long
PIECES = (
    "a", "A", "b", "/", "//", "../", "./", "%", "%20", "%2F", "%2f", "+", " ", "\u00e9", "e\u0301", "\U0001f600", "\\",
    "'", '"', "\\N", "\\005c", "\\S", "\n", "\t", "\r\n", "\x01", "\x1f", "\x7f",
    "\x85", "\u2028", "?", "#", "&x=1", ";", "$1", "{id}", "NULL", "\ufeff", "\u00a0", "\ud7ff", "\uffff",
)  # fmt: skip
LOCAL_PIECES = ("\udcff", "\udc80\udcc3", "\x00")
LONG = ("k" * 1023, "\u00e9" * 511 + "x", "\U0001f600" * 255 + "%+ ")
MD5S = ("0123456789ABCDEF0123456789ABCDEF", "F" * 32)
STATUSES = ("completed", "completed", "completed", "pending", "uploading", "failed", "archived", "Completed", "", None)
IDS = ("1", "1", "2", "3", "a", "A", "a ", "", " ", "\\N", "n", "sx", "i1", "\t1\n", "\\", "%", "\u00e9", None)
TEMPLATE = "t/{device_id}/{id}"
PROTECT = ("a", "b/", "%", "\\", "t/")


class Case(NamedTuple):
    """Tables, objects and settings."""

    shots: list[Shot]
    others: list[Shot]
    named: bool
    """Whether only the first table is asked for."""
    where: bool
    things: dict[str, tuple[int, float, str | None]]
    referenced: list[str]
    template: bool
    protect: tuple[str, ...]
    page: int
    listed: bool


def _keys(pieces: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(pieces), min_size=1, max_size=4).map("".join) | st.sampled_from(LONG)


def _url(kind: str, target: str) -> str:
    encoded = quote(target.encode("utf-8", "surrogateescape"), safe="/~+!*'()")
    return {
        "https": f"https://cdn.example.com/{encoded}",
        "query": f"http://cdn.example.com:80/{encoded}?x-oss-process=image/resize",
        "path": f"https://oss.example.com/{oracle.BUCKET}/{encoded}",
        "oss": f"oss://{oracle.BUCKET}/{target}",
        "relative": f"/{encoded}",
        "raw": f"https://cdn.example.com/{target}",
    }[kind]


@st.composite
def cases(draw: st.DrawFn, local: bool) -> Case:
    """Draw a case; `local` has bytes that only names of local files have."""
    keys = _keys(PIECES + LOCAL_PIECES if local else PIECES)
    pool = draw(st.lists(keys, min_size=1, max_size=7, unique=True)) + ["t/d1/1", "t/d1/a"]
    if not local:
        pool = [key for key in pool if not key.startswith(("/", "\\"))]
    some = st.sampled_from(pool)
    now = time.time()
    moments = st.sampled_from((OLD, OLD, OLD, now - GRACE - NEARLY, now - GRACE + NEARLY, now))
    urls = st.builds(_url, st.sampled_from(("https", "query", "path", "oss", "relative", "raw")), some)
    shot = st.builds(
        Shot,
        st.sampled_from(IDS),
        st.one_of(some, some, some, st.sampled_from((None, "", " \t"))),
        st.sampled_from(STATUSES),
        st.one_of(st.none(), st.none(), urls),
        st.sampled_from((None, 0, 7, 7, 8, 2**40)),
        st.sampled_from((None, *MD5S, MD5S[0].lower(), f'"{MD5S[1]}"', "no MD5", f"{MD5S[0]}-2", "")),
        moments | st.none(),
        moments | st.none(),
        st.sampled_from(("d1", "d1", "d2", None)),
    )
    thing = st.tuples(st.sampled_from((0, 7, 8, 2**40)), moments, st.sampled_from((None, *MD5S)))
    things = draw(st.dictionaries(some, thing, max_size=9))
    if draw(st.booleans()):
        things["_dedupaudit/quarantine/1/" + pool[0]] = (7, OLD, None)
    return Case(
        draw(st.lists(shot, max_size=9)),
        draw(st.lists(shot, max_size=3)),
        draw(st.booleans()),
        draw(st.booleans()),
        things,
        draw(st.lists(some, max_size=2)),
        draw(st.booleans()),
        tuple(draw(st.lists(st.sampled_from(PROTECT), max_size=1))),
        draw(st.integers(1, 4)),
        draw(st.booleans()),
    )


def _is_young(moment: float | None) -> bool:
    return moment is not None and moment > time.time() - GRACE


def _row(case: Case, table: str, shot: Shot) -> Row:
    asked = table == "screenshots" or not case.named
    filled = case.template and shot.id is not None and shot.device is not None
    md5 = (shot.etag or "").strip('"').upper()
    return Row(
        table,
        shot.id,
        asked and not (case.where and table == "screenshots" and shot.device != "d1"),
        shot.status,
        shot.key,
        shot.url,
        f"t/{shot.device}/{shot.id}" if filled else None,
        shot.size,
        md5 if len(md5) == 32 else None,
        _is_young(shot.at) or _is_young(shot.updated),
    )


def _expected(case: Case, same_id: Callable[[Id], Id]) -> Expected:
    rows = [_row(case, "screenshots", shot) for shot in case.shots]
    rows += [_row(case, "processes", shot) for shot in case.others]
    things = {key: Thing(size, _is_young(at), md5) for key, (size, at, md5) in case.things.items()}
    return oracle.expect(rows, things, case.referenced, case.protect, same_id)


def _run(database: Database, folder: Path, case: Case) -> Outcome:
    tables = {
        "screenshots": case.shots,
        "processes": case.others,
        "thumbs": [Shot("1", key) for key in case.referenced],
    }
    store = StubObjects(
        {
            key: ObjectFact(key, size, round(at * 1_000_000), md5 or "ABC-1", md5 is not None)
            for key, (size, at, md5) in case.things.items()
        },
        case.page,
    )
    objects: dict[str, Any] = {
        "url": URL,
        "threads": 1,
        "protect": case.protect,
        "also_referenced": ("SELECT oss_key FROM thumbs",),
    }
    if case.template:
        objects["template"] = TEMPLATE
    some = TableSettings(key=("id",), where="device_id = 'd1'")
    known = {"screenshots": some if case.where else SCREENSHOTS, "processes": SCREENSHOTS}
    url = database.create(folder, tables)
    with in_place_of_a_bucket(store, worth_listing=2 if case.listed else None):
        return checked(settings_of(url, objects, known), *(("screenshots",) if case.named else ()))


def _told(outcome: Outcome, keys: dict[str, str], same_id: Callable[[Id], Id]) -> dict[str, dict[Named, Told]]:
    found: dict[str, dict[Named, Told]] = {}
    for one in outcome.report.findings:
        name: Named = keys[named(one)] if "object_key" in one.key else (one.target, same_id(one.key["id"]))  # type: ignore[arg-type]  # IDs are text here
        same = found.setdefault(one.check, {})
        assert name not in same, f"two findings of {one.check} about {name!r}"
        same[name] = Told(one.verdict, one.count)
    return found


def _shown(key: str) -> str:
    """Return what `named` says of a key: base64 where it is no UTF-8."""
    raw = key.encode("utf-8", "surrogateescape")
    return key if raw.decode("utf-8", "replace") == key else base64.b64encode(raw).decode()


def _compare(database: Database, case: Case, same_id: Callable[[Id], Id] = lambda one: one) -> None:
    expected = _expected(case, same_id)
    with TemporaryDirectory() as folder:
        outcome = _run(database, Path(folder), case)
    report = outcome.report
    (totals,) = (report.summary.objects or {}).values()
    assert (totals.rows, totals.objects, totals.bytes) == (expected.rows, expected.objects, expected.bytes)
    if expected.distrusted:
        assert not report.findings
        assert {row.status for row in report.coverage} == {"failed"}
        return
    every = {_shown(key): key for key in case.things}
    assert _told(outcome, every, same_id) == expected.findings
    assert {row.status for row in report.coverage} == {"checked"}
    counts = totals.model_dump()
    assert {check: counts[check] for check in CHECKS} == {
        check: len(expected.findings.get(check, ())) for check in CHECKS
    }
    assert totals.orphan_bytes == expected.orphan_bytes
    least, most = expected.missing_bytes
    assert least <= (totals.missing_bytes or 0) <= most
    unknown = any(told.verdict == "unknown" for same in expected.findings.values() for told in same.values())
    assert report.complete is not unknown


LOST = Case([Shot(None, "\\N"), Shot("\\N", "\\N")], [], False, False, {"\\": (7, OLD, None)}, [], False, (), 1, True)


# A file that begins with this character loses it, unless somebody thought of it.
MARK = Case([Shot("1", "\ufeff")], [], False, False, {"\ufeff": (0, OLD, None)}, [], False, (), 1, False)


@pytest.mark.timeout(300)
@settings(max_examples=100)
@example(case=LOST)
@example(case=MARK)
@given(case=cases(local=True))
def test_crosscheck_agrees_with_the_oracle(case: Case) -> None:
    _compare(SQLITE, case)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@given(case=cases(local=True))
def test_crosscheck_agrees_with_the_oracle_on_many_cases(case: Case) -> None:
    _compare(SQLITE, case)


def _folded(one: Id) -> Id:
    # What utf8mb4_general_ci does to the IDs here; trailing spaces do not count.
    return None if one is None else one.upper().replace("\u00c9", "E").rstrip(" ")


def _on_a_server(database: Database, case: Case) -> None:
    columns = [text for shot in (*case.shots, *case.others) for text in (shot.id, shot.key, shot.url)]
    assume(not any("\0" in text for text in columns if text))
    _compare(database, case, _folded if database.folds_case else lambda one: one)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("database", SERVERS, ids=lambda one: one.name)
@settings(max_examples=30)
@given(case=cases(local=False))
def test_crosscheck_of_a_server_agrees_with_the_oracle(database: Database, case: Case) -> None:
    _on_a_server(database, case)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("database", SERVERS, ids=lambda one: one.name)
@settings(max_examples=300)
@given(case=cases(local=False))
def test_crosscheck_of_a_server_agrees_with_the_oracle_on_many_cases(database: Database, case: Case) -> None:
    _on_a_server(database, case)
