"""A finding is new exactly once and gone exactly once, whatever the order of rows and runs: held against a model."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from dedupaudit.model import SEVERITIES, Report
from tests.history import worlds

TABLES = ("activities", "processes")
KEYS = st.tuples(st.sampled_from(TABLES), st.sampled_from("abcd"))
WORLDS = st.dictionaries(KEYS, st.sampled_from(("confirmed", "confirmed", "in_grace", "unknown")), max_size=6)
COVERAGES = st.dictionaries(st.sampled_from(TABLES), st.sampled_from(("checked", "checked", "failed", "stopped")))
KINDS = st.sampled_from(("compared", "plain", "of the report", "truncated", "withdrawn"))
PROJECTS = st.sampled_from(("1d" * 16, "2e" * 16))
RUNS = st.lists(st.tuples(KINDS, PROJECTS, WORLDS, COVERAGES, st.randoms()), max_size=9)


@given(RUNS)
@settings(max_examples=60)
def test_new_once_and_gone_once(runs: list[tuple[str, str, dict[worlds.Key, str], dict[str, str], object]]) -> None:
    open_: dict[str, set[worlds.Key]] = {}
    with TemporaryDirectory() as folder:
        for kind, project, world, coverage, random in runs:
            keys = [key for key in world if key[0] in coverage]
            random.shuffle(keys)  # type: ignore[attr-defined]
            verdicts = {key: world[key] for key in keys}
            confirmed = {key for key in keys if world[key] == "confirmed"}
            known = open_.setdefault(project, set())
            gone = {key for key in known if coverage.get(key[0]) == "checked" and key not in verdicts}
            seen = worlds.report(verdicts, coverage, identity=project)
            if kind == "truncated" and verdicts:
                cut = seen.model_copy(update={"findings": seen.findings[:-1], "truncated": True})
                worlds.kept(worlds.settings(Path(folder)), cut, streamed=False)
                continue
            if kind in ("plain", "of the report"):
                worlds.kept(worlds.settings(Path(folder)), seen, streamed=kind == "plain")
            else:
                with worlds.begun(worlds.settings(Path(folder), baseline="last"), project) as memory:
                    told = worlds.ended(memory, seen)
                    if kind == "withdrawn":
                        memory.withdraw()
                _assert_told(told, confirmed, known, gone)
            if kind != "withdrawn":
                open_[project] = (known | confirmed) - gone


def _assert_told(told: Report, confirmed: set[worlds.Key], known: set[worlds.Key], gone: set[worlds.Key]) -> None:
    changes = told.summary.changes
    assert changes is not None
    assert changes.new == len(confirmed - known)
    assert changes.known == len(confirmed & known)
    assert changes.gone == len(gone)
    assert {(one.target, one.key["id"]) for one in changes.gone_findings} == gone
    # A run that looked at nothing at all has no source of which anything could be known.
    rest = len(known) - changes.known - changes.gone
    assert changes.not_looked_at == (rest if told.coverage or told.findings else 0)
    news = {(one.target, str(one.key["id"])): one.news for one in told.findings}
    assert {key for key, what in news.items() if what == "new"} == confirmed - known
    assert {key for key, what in news.items() if what == "known"} == confirmed & known
    for finding in told.findings:
        assert (finding.known_since is not None) == (finding.news == "known")


def test_of_two_runs_at_a_time_the_second_to_end_opens_nothing_again(tmp_path: Path) -> None:
    configured = worlds.settings(tmp_path)
    looked = {"activities": "checked"}
    with worlds.begun(configured) as first, worlds.begun(configured) as second:
        early = worlds.report([("activities", "a")], looked)
        late = worlds.report([("activities", "a")], looked)
        worlds.ended(first, early)
        worlds.ended(second, late)
        opened = second.untold("r", SEVERITIES).opened
    assert opened == 1


def test_a_run_that_began_earlier_and_ended_later_does_not_bring_back_what_is_gone(tmp_path: Path) -> None:
    looked = {"activities": "checked"}
    worlds.kept(worlds.settings(tmp_path), worlds.report([("activities", "a")], looked))
    with worlds.begun(worlds.settings(tmp_path)) as slow:
        stale = worlds.report([("activities", "a"), ("activities", "b")], looked)
        worlds.kept(worlds.settings(tmp_path), worlds.report([], looked))
        worlds.ended(slow, stale)
    told = worlds.kept(worlds.settings(tmp_path, baseline="last"), worlds.report([], looked))
    assert told.summary.changes is not None
    assert (told.summary.changes.gone, told.summary.changes.not_looked_at) == (0, 0)


def test_a_run_as_the_baseline_is_the_state_that_it_left(tmp_path: Path) -> None:
    looked = {"activities": "checked"}
    first = worlds.kept(worlds.settings(tmp_path), worlds.report([("activities", "a")], looked))
    worlds.kept(worlds.settings(tmp_path), worlds.report([("activities", "b")], looked))
    now = worlds.report([("activities", "a"), ("activities", "b")], looked)
    changes = worlds.kept(worlds.settings(tmp_path, baseline=first.run.id), now).summary.changes
    assert changes is not None
    assert (changes.new, changes.known, changes.gone, changes.baseline_run) == (1, 1, 0, first.run.id)
    # To the history `a` has come back, and is new again.
    again = worlds.kept(worlds.settings(tmp_path, baseline="last"), now).summary.changes
    assert again is not None
    assert (again.new, again.known) == (0, 2)
