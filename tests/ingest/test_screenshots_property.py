"""Any order of any number of requests' steps, on a real database, held against the pure model step by step.

The steps are the real ones: statements of claims.py, and a folder's PUT. What the database says after each of them,
row, token and object, has to be what the model says; and the model's worlds do no harm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial, partialmethod
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Connection

from dedupaudit.ingest import claims, states
from dedupaudit.ingest.claims import Seen
from dedupaudit.ingest.protections.unique import UniqueConstraint
from dedupaudit.ingest.tables import SCREENSHOTS, describe
from dedupaudit.ingest.transactions import in_transaction
from dedupaudit.stores.local import LocalStore
from tests.ingest.databases import Database, open_database
from tests.ingest.model import Request, Row, Said, Step, after, broken, start, steps
from tests.ingest.uploads import AGO

T = TypeVar("T")
ID, KEY = "screenshot_1", "screenshots/d/screenshot_1.jpg"
LEASE = 3600.0
PROTECTION = UniqueConstraint()


class Real:
    """The row, the object, and what one step of a request does to them."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.folder = database, folder
        folder.mkdir()
        self.store = LocalStore(f"file://{folder}")
        self.table = self.do(lambda connection: describe(connection, SCREENSHOTS))

    def do(self, work: Callable[[Connection], T]) -> T:
        return in_transaction(self.database.engine, work)

    def forget(self) -> None:
        self.database.run("DELETE FROM screenshots")
        self.store.delete([KEY])

    def expire(self) -> None:
        self.database.run(f"UPDATE screenshots SET updated_at = {AGO[self.database.name]}")

    def sweep(self) -> None:
        for _key, token in self.do(lambda connection: claims.expired(connection, self.table, LEASE, 10)):
            self.do(partial(claims.sweep, table=self.table, key=(ID,), token=token, lease=LEASE))

    def seen(self) -> Seen | None:
        columns = ("oss_key", "oss_url", "file_size")
        return self.do(lambda connection: claims.look(connection, self.table, (ID,), LEASE, columns))

    def row(self) -> Row | None:
        """Return the row as the model has it: a picture is told by its size."""
        seen = self.seen()
        if seen is None:
            return None
        picture = {None: None, 1: "A", 2: "B"}[seen.values["file_size"]]
        assert (picture is None) == (seen.values["oss_key"] is None) == (seen.values["oss_url"] is None)
        status: Any = seen.status
        return Row(status, seen.token, seen.held, picture)

    def object(self) -> str | None:
        path = self.folder / KEY
        return {b"a": "A", b"bb": "B"}[path.read_bytes()] if path.exists() else None

    def go(self, request: Request) -> Request:
        """Do the request's next step; what comes next depends on what the database and the store said."""
        content = {"A": b"a", "B": b"bb"}[request.picture]
        token = request.token if request.token is not None else -1
        match request.at:
            case "insert":
                row = {"id": ID, "device_id": "d", "status": "pending", "timestamp": 1, "retry_count": 0}
                is_new = self.do(lambda connection: PROTECTION.insert(connection, self.table, row))
                return replace(request, at="claim" if is_new else "look")
            case "look":
                seen = self.seen()
                assert seen is not None
                return replace(request, at="confirm" if seen.status == "completed" else "claim")
            case "claim":
                won = self.do(lambda connection: PROTECTION.claim(connection, self.table, (ID,), LEASE))
                return replace(request, at="look") if won is None else replace(request, at="put", token=won)
            case "put":
                self.store.put(KEY, content)
                return replace(request, at="verify")
            case "verify":
                held = self.store.holds(KEY, content)
                said: Said = "failed" if held is None else "collision"
                return replace(request, at="complete") if held else replace(request, at="fail", then=said)
            case "complete":
                written = {"oss_key": KEY, "oss_url": f"/{KEY}", "file_size": len(content)}
                if self.do(lambda connection: claims.complete(connection, self.table, (ID,), token, written)):
                    return replace(request, at="done", said="stored")
                return replace(request, at="look", token=None)
            case "fail":
                self.do(lambda connection: claims.fail(connection, self.table, (ID,), token))
                return replace(request, at="done", said=request.then)
            case _:
                same = self.store.holds(KEY, content)
                return replace(request, at="done", said="duplicate" if same else "collision")

    def renew(self, request: Request) -> None:
        token = request.token if request.token is not None else -1
        self.do(lambda connection: claims.renew(connection, self.table, (ID,), token))


class Uploading(RuleBasedStateMachine):
    """`world` is the model's; `requests` are what the real steps made of them."""

    real: ClassVar[Real]

    @initialize(pictures=st.lists(st.sampled_from("AAB"), min_size=2, max_size=4))
    def begin(self, pictures: list[str]) -> None:
        self.real.forget()
        self.world = start(pictures, ends=6, crashes=2, refusals=2)
        self.requests = self.world.requests
        self.harm: list[str] = []
        self.tokens: list[int] = []

    @rule(data=st.data(), count=st.integers(1, 4))
    def go_on(self, data: st.DataObject, count: int) -> None:
        """Let one request do its next steps."""
        going = [step for step in steps(self.world) if step.what == "go"]
        if going:
            chosen = data.draw(st.sampled_from(going))
            for _ in range(count):
                if chosen in steps(self.world):
                    self.take(chosen)

    @rule(data=st.data())
    def stop(self, data: st.DataObject) -> None:
        """Let a request crash, be refused by the store, or give up."""
        ends = [step for step in steps(self.world) if step.what in ("crash", "refused", "give up")]
        if ends:
            self.take(data.draw(st.sampled_from(ends)))

    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        """Renew the claim of whoever thinks that it has one; a zombie does, too."""
        holders = [index for index, one in enumerate(self.requests) if one.at in ("put", "verify", "complete")]
        if holders:
            self.take(Step("renew", data.draw(st.sampled_from(holders))))

    @rule()
    def expire(self) -> None:
        if Step("expire") in steps(self.world):
            self.take(Step("expire"))

    @rule()
    def sweep(self) -> None:
        """Sweep at any time: what is not over stays."""
        self.take(Step("sweep"))

    @rule(picture=st.sampled_from("AAB"))
    def send_again(self, picture: str) -> None:
        """Whoever got no answer, or another one, sends again."""
        if len(self.requests) < 8:
            self.world = replace(self.world, requests=(*self.world.requests, Request(picture)))
            self.requests = (*self.requests, Request(picture))

    def take(self, step: Step) -> None:
        before, self.world = self.world, after(self.world, step)
        self.harm += broken(before, self.world)
        if step.request is None:
            self.real.expire() if step.what == "expire" else self.real.sweep()
            return
        request = self.requests[step.request]
        match step.what:
            case "go":
                changed = self.real.go(request)
            case "renew":
                self.real.renew(request)
                changed = request
            case _:
                # Nothing is done: what dies, or is refused, or gives up, changes nothing by itself.
                changed = self.world.requests[step.request]
        if request.at == "claim" and changed.token is not None:
            assert changed.token > max(self.tokens, default=-1), "a token that another claim had"
            self.tokens.append(changed.token)
        self.requests = (*self.requests[: step.request], changed, *self.requests[step.request + 1 :])

    @invariant()
    def the_database_is_as_the_model_says(self) -> None:
        if not hasattr(self, "world"):
            return
        assert (self.real.row(), self.real.object()) == (self.world.row, self.world.object)
        assert self.requests == self.world.requests
        assert self.harm == []


def run_machine(name: str, folder: Path, **options: Any) -> None:
    database = open_database(name, folder)
    machine = type("Machine", (Uploading,), {"real": Real(database, folder / "objects")})
    checks = settings(stateful_step_count=40, suppress_health_check=list(HealthCheck), deadline=None, **options)
    try:
        run_state_machine_as_test(machine, settings=checks)
    finally:
        database.engine.dispose()


@pytest.mark.parametrize(("name", "examples"), [("sqlite", 30), ("postgresql", 8), ("mariadb", 8)])
def test_no_order_of_steps_differs_from_the_model(name: str, examples: int, tmp_path: Path) -> None:
    run_machine(name, tmp_path, max_examples=examples)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "examples"), [("sqlite", 200), ("postgresql", 50), ("mariadb", 50)])
def test_no_order_of_many_steps_differs_from_the_model(name: str, examples: int, tmp_path: Path) -> None:
    run_machine(name, tmp_path, max_examples=examples)


# Each safeguard of the real code, and an order of steps that needs it. A number is a request that goes on.
BUGS = {
    "claim without compare": "0 0 1 1 1",
    "take over of a living claim": "0 0 1 1 1",
    "take over without a new token": "0 0 expire 1 1 1",
    "complete without token": "0 0 expire 1 1 1 0 0 0",
    "fail without token": "0 0 expire 1 1 1 refused:0 0",
    "renew without token": "0 0 expire 1 1 1 expire renew:0",
    "sweep of a living claim": "0 0 sweep",
    "put that overwrites": "0 0 0 expire 1 1 1 1",
}


def seed(bug: str, patch: pytest.MonkeyPatch) -> None:
    """Take one safeguard out of the real code."""
    match bug:
        case "complete without token":
            patch.setattr(claims, "COMPLETE", replace(states.COMPLETE, by_token=False))
        case "fail without token":
            patch.setattr(claims, "FAIL", replace(states.FAIL, by_token=False))
        case "claim without compare":
            patch.setattr(claims, "CLAIM", replace(states.CLAIM, sources=("pending", "failed", "uploading")))
        case "take over without a new token":
            patch.setattr(claims, "TAKE_OVER", replace(states.TAKE_OVER, counts=False))
        case "take over of a living claim":
            patch.setattr(claims, "TAKE_OVER", replace(states.TAKE_OVER, lease_over=False))
        case "sweep of a living claim":
            patch.setattr(claims, "SWEEP", replace(states.SWEEP, lease_over=False))
        case "renew without token":
            patch.setattr(claims, "RENEW", replace(states.RENEW, by_token=False))
        case _:
            patch.setattr(LocalStore, "put", partialmethod(LocalStore.put, overwrite=True))


@pytest.mark.parametrize("bug", BUGS)
def test_a_seeded_bug_is_told_by_the_order_of_steps_that_its_safeguard_is_for(
    bug: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = open_database("sqlite", tmp_path)
    real = Real(database, tmp_path / "objects")

    def go(path: str) -> None:
        machine = type("Machine", (Uploading,), {"real": real})()
        machine.begin(["A", "B"])
        for word in path.split():
            what, _, request = word.rpartition(":")
            name: Any = "go" if word.isdigit() else what or word
            machine.take(Step(name, int(request) if request.isdigit() else None))
            machine.the_database_is_as_the_model_says()

    go(BUGS[bug])
    seed(bug, monkeypatch)
    with pytest.raises(AssertionError):
        go(BUGS[bug])
    database.engine.dispose()
