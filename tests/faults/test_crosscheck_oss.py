"""Whatever goes wrong between `crosscheck` and OSS: the report is right, or it says what it does not know.

The truth is what the test put into bucket and table. Never may anything else be called missing or an orphan.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from dedupaudit.building import Outcome
from dedupaudit.crosscheck import looking, stores
from dedupaudit.sources.objects.protocol import Asking, Patience
from tests.crosscheck.scene import database, found_in, hold, oss_env, oss_objects, picture, rows
from tests.oss import errors, faults
from tests.oss.faults import Action, Rule
from tests.oss.server import FakeOss
from tests.oss.wire import Answer, Request

OBJECTS, PAGE = 70, 20  # four pages, after the one object that proves the bucket
MISSING = frozenset({"s10000", "s10001", "s10002"})
ORPHANS = frozenset({picture(5), picture(30), picture(68)})
QUICK = Patience(attempts=4, pause=0.001, longest_pause=0.002, connect_timeout=5, read_timeout=5)
SPLIT, WHOLE = 4, 1

MakeAction = Callable[[], Action]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in oss_env().items():
        monkeypatch.setenv(name, value)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "OSS_SESSION_TOKEN", "OSS_CREDENTIALS_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(stores, "Asking", partial(Asking, patience=QUICK))
    # Split as large tables are.
    monkeypatch.setattr(stores, "_WORTH_SPLITTING", 10)


@pytest.fixture
def server(oss: FakeOss) -> FakeOss:
    oss.bucket.fill(picture(number) for number in range(OBJECTS))
    oss.misbehave(faults.short_pages(PAGE), kind="list", times=None)
    return oss


@pytest.fixture
def db(tmp_path: Path) -> Path:
    known = [number for number in range(OBJECTS) if picture(number) not in ORPHANS]
    return database(tmp_path / "app.db", rows(*known, 10_000, 10_001, 10_002))


def statuses(outcome: Outcome) -> dict[str, str]:
    return {row.check: row.status for row in outcome.report.coverage}


def honest(outcome: Outcome, missing: frozenset[str] = MISSING, orphans: frozenset[str] = ORPHANS) -> bool:
    """Assert that nothing false is confirmed, and that what is not known is said; say whether all was found."""
    assert found_in(outcome, "missing_object") <= missing
    assert found_in(outcome, "orphan_object") <= orphans
    for check in outcome.report.summary.by_check:
        if check not in ("missing_object", "orphan_object"):
            assert not found_in(outcome, check)
    assert not outcome.report.truncated
    whole = found_in(outcome, "missing_object") == missing and found_in(outcome, "orphan_object") == orphans
    if outcome.report.complete:
        assert whole
        assert set(statuses(outcome).values()) == {"checked"}
    assert outcome.exit_code("low") == (1 if any(outcome.confirmed.values()) else 3)
    return whole


def nothing_judged(outcome: Outcome) -> None:
    """Assert that no check said anything, and that the report says why."""
    honest(outcome)
    assert outcome.report.findings == ()
    assert set(statuses(outcome).values()) == {"failed"}
    assert all(row.reason and row.rows is None for row in outcome.report.coverage)
    assert not outcome.report.complete
    assert outcome.exit_code("low") == 3


# ---- what passes: asked for again, and the report is as if nothing had been

PASSING: dict[str, MakeAction] = {
    "503": lambda: faults.fail(errors.unavailable),
    "503 without a body": lambda: faults.empty(503),
    "502 of a proxy": lambda: faults.html(502),
    "500": lambda: faults.fail(errors.internal_error),
    "reset": faults.reset,
    "reset in mid-body": faults.reset_in_body,
    "reset at the end": lambda: faults.reset_in_body(0.999),
    "cut XML": faults.cut_xml,
    "no XML at all": lambda: faults.cut_xml(0),
    "hung up": faults.hang_up,
    "slow": lambda: faults.slow(0.01, 5),
    "late": lambda: faults.late(0.1),
    "short page": lambda: faults.short_pages(3),
    "empty page": faults.empty_page,
    "without a token": faults.without_token,
}


OF_LISTINGS = {"cut XML", "no XML at all", "short page", "empty page", "without a token"}


@pytest.mark.parametrize(("nth", "threads"), [(1, WHOLE), (4, SPLIT)])
@pytest.mark.parametrize("name", PASSING)
def test_a_listing_that_stumbles_is_right(server: FakeOss, db: Path, name: str, nth: int, threads: int) -> None:
    rule = server.misbehave(PASSING[name](), kind="list", nth=nth)
    outcome = hold(db, oss_objects(server, threads=threads))
    assert honest(outcome)
    assert outcome.report.complete
    assert rule.used == 1


@pytest.mark.parametrize(
    "name", sorted(set(PASSING) - {"cut XML", "no XML at all", "short page", "empty page", "without a token"})
)
def test_a_look_that_stumbles_is_right(server: FakeOss, db: Path, name: str) -> None:
    rule = server.misbehave(Rule(PASSING[name](), kind="head", nth=2, times=2))
    assert honest(outcome := hold(db, oss_objects(server)))
    assert outcome.report.complete
    assert rule.used == 2


def test_every_second_request_fails(server: FakeOss, db: Path) -> None:
    def good(request: Request, proceed: faults.Proceed) -> Answer:
        return proceed(request)

    bad = faults.in_turn(faults.fail(errors.unavailable), good, faults.reset(), good)
    server.misbehave(bad, times=None)
    outcome = hold(db, oss_objects(server, threads=1))
    assert honest(outcome)
    assert outcome.report.complete


# ---- what does not pass: the listing ends, and nobody is judged by half of it

LASTING: dict[str, MakeAction] = {
    "503": lambda: faults.fail(errors.unavailable),
    "503 without a body": lambda: faults.empty(503),
    "503 of a proxy": lambda: faults.html(503),
    "reset": faults.reset,
    "reset in mid-body": faults.reset_in_body,
    "cut XML": faults.cut_xml,
    "NoSuchBucket": faults.no_such_bucket,
    "RequestTimeTooSkewed": faults.clock_skewed,
    "AccessDenied": lambda: faults.fail(errors.access_denied),
    "SecurityTokenExpired": lambda: faults.fail(errors.token_expired),
    "403 of a proxy": lambda: faults.html(403),
    "404 of a proxy": lambda: faults.html(404),
    "200 of a proxy": lambda: faults.html(200),
    "204": lambda: faults.empty(204),
    "redirect": lambda: faults.plain(302),
}
LOSING: dict[str, MakeAction] = {
    "ended early": faults.ended_early,
    "emptied and ended": lambda: faults.emptied(more=False),
    "emptied, more to come": faults.emptied,
}
UNTRUE: dict[str, MakeAction] = {
    "out of order": faults.out_of_order,
    "first page again": faults.first_page_again,
}


@pytest.mark.parametrize(("nth", "threads"), [(1, WHOLE), (4, WHOLE), (4, SPLIT)])
@pytest.mark.parametrize("name", LASTING)
def test_a_listing_that_dies_judges_nobody(server: FakeOss, db: Path, name: str, nth: int, threads: int) -> None:
    server.misbehave(LASTING[name](), kind="list", nth=nth, times=None)
    outcome = hold(db, oss_objects(server, threads=threads))
    nothing_judged(outcome)
    assert server.counts["head"] == 0


@pytest.mark.parametrize("times", [1, None])
@pytest.mark.parametrize("nth", [3, 4])
@pytest.mark.parametrize("name", UNTRUE)
def test_a_listing_that_contradicts_itself_judges_nobody(
    server: FakeOss, db: Path, name: str, nth: int, times: int | None
) -> None:
    server.misbehave(UNTRUE[name](), kind="list", nth=nth, times=times)
    nothing_judged(hold(db, oss_objects(server, threads=1)))
    assert server.counts["head"] == 0


def test_a_page_that_comes_twice_judges_nobody(server: FakeOss, db: Path) -> None:
    server.misbehave(faults.page_before_again(), kind="list", nth=2, times=2)
    nothing_judged(hold(db, oss_objects(server, threads=1)))


@pytest.mark.parametrize("threads", [WHOLE, SPLIT])
@pytest.mark.parametrize("name", LOSING)
@pytest.mark.parametrize("nth", [2, 3, 4])
@pytest.mark.parametrize("times", [1, None])
def test_a_listing_that_loses_objects_without_a_word_calls_none_missing(
    server: FakeOss, db: Path, name: str, nth: int, times: int | None, threads: int
) -> None:
    """Nothing in the pages tells of it; but what was looked at one by one is there."""
    server.misbehave(LOSING[name](), kind="list", nth=nth, times=times)
    outcome = hold(db, oss_objects(server, threads=threads))
    if not honest(outcome):
        # Whoever reads the report is not told that all was checked.
        assert statuses(outcome)["orphan_object"] == "failed"


def test_a_listing_that_ends_early_again_at_the_second_look_calls_none_missing(
    server: FakeOss, db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Suspects that lie close together are listed again; what that listing loses too is looked at one by one."""
    monkeypatch.setattr(looking, "_WORTH_LISTING", 4)
    server.misbehave(faults.ended_early(), kind="list", nth=3, times=None)
    outcome = hold(db, oss_objects(server, threads=1, max_missing="90%"))
    assert not honest(outcome)
    assert found_in(outcome, "missing_object") == MISSING
    assert "is not whole" in next(row.reason or "" for row in outcome.report.coverage if row.check == "orphan_object")


def test_objects_that_a_listing_left_out_are_no_reason_while_they_are_young(server: FakeOss, db: Path) -> None:
    """An upload may come behind the page that was read: nothing was left out then."""
    lost = picture(10_000)
    server.misbehave(Rule(faults.before(lambda: server.bucket.put(lost)), kind="head", key=lost))
    outcome = hold(db, oss_objects(server))
    assert honest(outcome, MISSING - {"s10000"})
    assert outcome.report.complete


@pytest.mark.parametrize("threads", [WHOLE, SPLIT])
def test_an_empty_listing_judges_nobody(server: FakeOss, db: Path, threads: int) -> None:
    server.bucket.fill([])
    nothing_judged(outcome := hold(db, oss_objects(server, threads=threads)))
    assert "is empty, and 70 rows name objects" in (outcome.report.coverage[0].reason or "")
    assert server.counts["head"] == 0


# ---- the second look fails: unknown

UNANSWERED: dict[str, MakeAction] = {
    "403 of a proxy": lambda: faults.html(403),
    "503": lambda: faults.fail(errors.unavailable),
    "500 without a body": lambda: faults.empty(500),
    "502 of a proxy": lambda: faults.html(502),
    "reset": faults.reset,
    "NoSuchBucket": faults.no_such_bucket,
    "404 of a proxy": lambda: faults.html(404),
    "bare 404": lambda: faults.plain(404),
    "200 of a proxy": lambda: faults.html(200),
    "204": lambda: faults.empty(204),
    "redirect": lambda: faults.plain(302),
}


@pytest.mark.parametrize("name", UNANSWERED)
def test_looks_that_fail_for_ever_leave_their_suspects_unknown(server: FakeOss, db: Path, name: str) -> None:
    server.misbehave(Rule(UNANSWERED[name](), kind="head", times=None))
    outcome = hold(db, oss_objects(server))
    honest(outcome)
    assert found_in(outcome, "missing_object", "unknown") == MISSING
    assert found_in(outcome, "orphan_object", "unknown") == ORPHANS
    assert not outcome.report.complete
    assert outcome.exit_code("low") == 3
    assert all("could not be" in one.message or one.check == "orphan_object" for one in outcome.report.findings)


@pytest.mark.parametrize("name", UNANSWERED)
def test_one_object_that_cannot_be_looked_at_is_unknown_and_the_others_are_right(
    server: FakeOss, db: Path, name: str
) -> None:
    server.misbehave(Rule(UNANSWERED[name](), kind="head", key=picture(10_001), times=None))
    outcome = hold(db, oss_objects(server))
    honest(outcome)
    assert found_in(outcome, "missing_object") == MISSING - {"s10001"}
    assert found_in(outcome, "missing_object", "unknown") == {"s10001"}
    assert found_in(outcome, "orphan_object") == ORPHANS


FORBIDDEN: dict[str, MakeAction] = {
    "AccessDenied": lambda: faults.fail(errors.access_denied),
    "403 without a body": lambda: faults.empty(403),
    "RequestTimeTooSkewed": faults.clock_skewed,
    "SecurityTokenExpired": lambda: faults.fail(errors.token_expired),
}


@pytest.mark.parametrize("threads", [WHOLE, SPLIT])
@pytest.mark.parametrize("name", FORBIDDEN)
def test_forbidden_looks_are_replaced_by_listings(server: FakeOss, db: Path, name: str, threads: int) -> None:
    server.misbehave(Rule(FORBIDDEN[name](), kind="head", times=None))
    outcome = hold(db, oss_objects(server, threads=threads))
    assert honest(outcome)
    assert outcome.report.complete
    if threads == WHOLE:
        assert server.counts["head"] == 1
        assert server.counts["list"] == 5 + len(MISSING) + len(ORPHANS)


def test_a_forbidden_head_and_no_listing_any_more_is_unknown(server: FakeOss, db: Path) -> None:
    server.misbehave(Rule(faults.fail(errors.access_denied), kind="head", times=None))
    server.misbehave(faults.fail(errors.access_denied), kind="list", nth=6, times=None)
    outcome = hold(db, oss_objects(server, threads=1))
    honest(outcome)
    assert found_in(outcome, "missing_object", "unknown") == MISSING
    assert found_in(outcome, "orphan_object", "unknown") == ORPHANS


@pytest.mark.parametrize("name", ["AccessDenied", "503", "reset", "cut XML", "NoSuchBucket"])
def test_uploads_that_cannot_be_listed_fail_their_check_alone(server: FakeOss, db: Path, name: str) -> None:
    server.misbehave(LASTING[name](), kind="list_uploads", times=None)
    outcome = hold(db, oss_objects(server))
    assert honest(outcome)
    assert not outcome.report.complete
    assert {check for check, status in statuses(outcome).items() if status != "checked"} == {"multipart_leftover"}
    assert outcome.report.summary.objects
    assert outcome.report.summary.objects["oss://pictures/screenshots/"].multipart_leftover is None
