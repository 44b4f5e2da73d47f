"""`docs/ingest.md` says what the code says: states, protections, statuses, log lines; and its samples run."""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

from dedupaudit.ingest import IngestError, protections, telling
from dedupaudit.ingest.states import TRANSITIONS, Transition
from dedupaudit.sources.logs.words import classifier
from tests.conftest import ROOT
from tests.docs.backend_process import BACKEND
from tests.ingest.databases import open_database
from tests.oss.server import FakeOss
from tests.sources.objects.asking import be

PAGE = (ROOT / "docs" / "ingest.md").read_text(encoding="utf-8")


def table(first_heading: str) -> list[list[str]]:
    """Return the cells of the table whose first column is called so."""
    found = re.search(rf"^\| {re.escape(first_heading)} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert found, first_heading
    return [[cell.strip() for cell in row.strip().strip("|").split("|")] for row in found[1].splitlines()]


def condition(transition: Transition) -> str:
    if transition.by_token:
        return "the token fits"
    return "the lease is over" if transition.lease_over else ""


def test_the_table_of_transitions_is_the_codes() -> None:
    told = table("transition")
    assert [row[0] for row in told] == [one.name for one in TRANSITIONS]
    for row, one in zip(told, TRANSITIONS, strict=True):
        assert row[1:3] == [", ".join(one.sources) or "no row", one.target]
        if one.sources:
            assert row[3:] == [condition(one), "+ 1" if one.counts else "as it is"]


def test_the_picture_of_the_states_has_every_transition_and_state() -> None:
    picture = re.search(r"### States\n\n```\n(.*?)```", PAGE, re.DOTALL)
    assert picture
    for one in TRANSITIONS:
        guard = condition(one)
        told = f"{one.name}: {guard}" + (", + 1" if one.counts else "") if guard else one.name
        assert told in picture[1]
        assert one.target in picture[1]


def shipped() -> dict[str, str]:
    """Return the limits of each protection by the name of its class."""
    modules = [import_module(f"{protections.__name__}.{found.name}") for found in iter_modules(protections.__path__)]
    classes = [one for module in modules for _, one in inspect.getmembers(module, inspect.isclass)]
    return {one.__name__: one.limits for one in classes if hasattr(one, "limits") and hasattr(one, "claim")}


def test_the_table_of_protections_has_each_with_its_own_limits() -> None:
    told = {re.match(r"`(\w+)\(", row[0])[1]: row[-1] for row in table("`protection=`")}  # type: ignore[index]  # a row has a name
    assert told == shipped()
    assert len(told) == 4


def test_the_table_of_answers_has_every_outcome_with_the_examples_status() -> None:
    told = {name: row[1][:3] for row in table("what the writer says") for name in re.findall(r"`(\w+)`", row[0])}
    assert told.keys() - {"Stored", "Uploaded"} == {one.__name__ for one in IngestError.__subclasses__()}
    answers = dict(re.findall(r"ingest\.(\w+): (\d+)", BACKEND.read_text("utf-8")))
    assert answers | {"Stored": "200", "Uploaded": "200"} == told


def test_the_table_of_lines_has_what_is_logged_and_as_what_it_is_read(caplog: pytest.LogCaptureFixture) -> None:
    speakers = (
        telling.received, telling.written, telling.already, telling.waiting, telling.again, telling.upload_done,
        telling.upload_failed, telling.answered,
    )  # fmt: skip
    with caplog.at_level(logging.INFO, "dedupaudit.ingest"):
        for say in speakers:
            say("ID")
    classify = classifier(lossy=False)
    logged = [[f"`{line}`", *classify(line.encode())] for line in caplog.messages]
    assert [[row[0], row[2]] for row in table("line")] == logged


@contextmanager
def as_the_only_handlers(logger: logging.Logger) -> Iterator[None]:
    before, level = list(logger.handlers), logger.level
    try:
        yield
    finally:
        for handler in set(logger.handlers) - set(before):
            logger.removeHandler(handler)
            handler.close()
        logger.setLevel(level)


def test_the_samples_run_one_after_the_other(oss: FakeOss, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    be(monkeypatch)
    monkeypatch.chdir(tmp_path)
    database = open_database("sqlite", tmp_path)
    samples = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(samples) > 4
    places = {
        "postgresql+psycopg2://app@primary/app": f"sqlite+pysqlite:///{tmp_path}/app.db",
        "oss://bucket": "oss://pictures",
        'endpoint="https://oss-cn-hangzhou.aliyuncs.com"': f'endpoint="{oss.endpoint}", region="{oss.region}"',
    }
    names: dict[str, object] = {}
    with as_the_only_handlers(telling.LOGGER):
        for sample in samples:
            for told, ours in places.items():
                sample = sample.replace(told, ours)
            exec(compile(sample, "docs/ingest.md", "exec"), names)  # noqa: S102 (this page's own)
        telling.received("activity_1")
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z received activity_1\n", Path("backend.log").read_text()
    )
    assert oss.bucket.keys == ["screenshots/desk-3f1a/screenshot_1766557428498.jpg"]
    assert names["swept"] == 0
    assert database.ask("SELECT count(*) FROM activities") == [(2,)]
    names["engine"].dispose()  # type: ignore[attr-defined]  # the page's engine
    database.engine.dispose()


def test_the_page_names_the_example_and_its_addresses() -> None:
    example = BACKEND.read_text("utf-8")
    assert len(example.splitlines()) <= 120
    for address in re.findall(r"`POST (/\w+)", PAGE):
        assert f'"{address}"' in example
