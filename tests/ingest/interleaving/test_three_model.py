"""Three requests for one ID on the pure model, in every order, and the model held against the SQL of all databases.

A retry is a request like any other: it begins when it likes, so after an earlier one failed or died as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product

import pytest
from sqlalchemy import Connection

from dedupaudit.ingest import claims
from dedupaudit.ingest.states import Status
from dedupaudit.ingest.tables import SCREENSHOTS, Described, describe
from dedupaudit.ingest.transactions import in_transaction
from tests.ingest.interleaving.exploring import Client, Place
from tests.ingest.model import Request, Row, Step, World, after, explore, start, steps

LEASE = 60.0
TOKENS = (0, 1, 2)
STATUSES: tuple[Status, ...] = ("pending", "uploading", "completed", "failed")
AGES = {"postgresql": "now() - interval '1 hour'", "sqlite": "datetime('now', '-1 hour')"}
KEY = ("one",)


# ---- three requests


# With one crash, one refusal of the object store, and a lease that ends once (each wherever it likes).
WORLDS = {"AAA": 6328, "AAB": 9049}


@pytest.fixture(scope="module", params=["AAA", "AAB"])
def worlds(request: pytest.FixtureRequest) -> tuple[str, set[World]]:
    """Give all worlds that three requests can come to; none of them is a harm."""
    seen: set[World] = set()
    assert list(explore(start(request.param, ends=1), seen=seen)) == []
    return request.param, seen


def test_no_order_of_three_requests_does_harm(worlds: tuple[str, set[World]]) -> None:
    pictures, seen = worlds
    assert len(seen) == WORLDS[pictures], "the model changed: look at what it explores now"
    for world in seen:
        told = [request for request in world.requests if request.said in ("stored", "duplicate")]
        assert len({request.picture for request in told}) <= 1, world
        assert sum(request.said == "stored" for request in told) <= 1, world


def test_each_answer_and_each_accident_is_met(worlds: tuple[str, set[World]]) -> None:
    pictures, seen = worlds
    answers = {"stored", "duplicate", "busy", "failed", ""} | ({"collision"} if len(set(pictures)) > 1 else set())
    assert {request.said for world in seen for request in world.requests} == answers
    assert {step.what for world in seen for step in steps(world)} == {
        "go", "crash", "refused", "renew", "give up", "expire", "sweep"
    }  # fmt: skip
    assert {world.row.status for world in seen if world.row} == set(STATUSES)


def test_from_wherever_three_requests_ended_one_retry_stores_the_picture(worlds: tuple[str, set[World]]) -> None:
    ended = [world for world in worlds[1] if all(request.at in ("done", "dead") for request in world.requests)]
    assert len(ended) > 100
    for world in ended:
        kept = world.object or "A"
        retry = replace(world, requests=(Request(kept),), crashes=0, refusals=0)
        for _ in range(10):
            if retry.row is not None and retry.row.live and retry.requests[0].token is None:
                retry = replace(retry, row=replace(retry.row, live=False))  # its lease ends: nobody renews it
            if retry.requests[0].at == "done":
                break
            retry = after(retry, Step("go", 0))
        assert retry.requests[0].said in ("stored", "duplicate"), world
        assert retry.row is not None and retry.row.status == "completed" and retry.object == kept


# ---- the model and the SQL


class Table:
    """The table of pictures with one row, changed in transactions that are rolled back."""

    def __init__(self, place: Place, client: Client) -> None:
        self._client = client
        self._age = AGES.get(place.name, "now() - interval 1 hour")
        self.described: Described = in_transaction(client.engine, lambda one: describe(one, SCREENSHOTS))

    def after(self, row: Row, change: Callable[[Connection], object]) -> tuple[object, Row]:
        """Return what a change said of a row, and what it left of it."""
        with self._client.engine.connect() as connection:
            clock = "CURRENT_TIMESTAMP" if row.live else self._age
            connection.exec_driver_sql(
                "INSERT INTO screenshots (id, device_id, status, timestamp, retry_count, updated_at)"
                f" VALUES ('one', 'd', '{row.status}', 1, {row.token}, {clock})"
            )
            said = change(connection)
            seen = claims.look(connection, self.described, KEY, LEASE, ("oss_key",))
            connection.rollback()
        assert seen is not None
        status = next(status for status in STATUSES if status == seen.status)
        return said, Row(status, seen.token, seen.held, seen.values["oss_key"])


@pytest.fixture(scope="module")
def table(place: Place) -> Table:
    return Table(place, place.client("A"))


def rows() -> Iterator[Row]:
    for status, token, live in product(STATUSES, TOKENS, (True, False)):
        yield Row(status, token, live, "P" if status == "completed" else None)


def modelled(row: Row, step: Step, request: Request) -> tuple[Row, Request]:
    """Return what the model makes of a row and a request for the picture that is stored."""
    world = after(World(row, "P", (request,)), step)
    assert world.row is not None
    return world.row, world.requests[0]


def held(row: Row) -> Row:
    """Leave out what only a row in `uploading` has: its lease; and what the model keeps to say of `completed`."""
    return replace(row, live=row.live and row.status == "uploading", picture=None)


def test_a_claim_in_sql_is_the_claim_of_the_model(table: Table) -> None:
    won = 0
    for row in rows():
        token, left = table.after(row, lambda one: claims.compare_and_swap(one, table.described, KEY, LEASE))
        expected, request = modelled(row, Step("go", 0), Request("P", "claim"))
        assert (held(left), token) == (held(expected), request.token), row
        won += token is not None
    assert won == 15  # pending and failed: 6 each; uploading with a lease that is over: 3


def by_token(name: str, described: Described, token: int) -> Callable[[Connection], object]:
    return {
        "complete": lambda one: claims.complete(one, described, KEY, token, {"oss_key": "P"}),
        "fail": lambda one: claims.fail(one, described, KEY, token),
        "renew": lambda one: claims.renew(one, described, KEY, token),
    }[name]


@pytest.mark.parametrize("name", ["complete", "fail", "renew"])
def test_what_a_holder_does_in_sql_is_what_it_does_in_the_model(table: Table, name: str) -> None:
    happened = 0
    for row, token in product(rows(), TOKENS):
        said, left = table.after(row, by_token(name, table.described, token))
        step = Step("renew" if name == "renew" else "go", 0)
        at = Request("P", "complete" if name == "renew" else name, token, "failed")  # type: ignore[arg-type]
        expected, _request = modelled(row, step, at)
        assert held(left) == held(expected), (row, token)
        assert said is (row.status == "uploading" and row.token == token), (row, token)
        if said and name == "complete":
            assert left.picture == "P"
        happened += bool(said)
    assert happened == 6


def test_a_sweep_in_sql_is_the_sweep_of_the_model(table: Table) -> None:
    swept = 0
    for row, token in product(rows(), TOKENS):
        found, _row = table.after(row, lambda one: claims.expired(one, table.described, LEASE, 9))
        assert found == ([(KEY, row.token)] if row.status == "uploading" and not row.live else []), row
        said, left = table.after(
            row,
            lambda one, token=token: claims.sweep(one, table.described, KEY, token, LEASE),  # type: ignore[misc]
        )
        # The model's sweep is looking and sweeping in one: here that is where the token is the row's own.
        expected = modelled(row, Step("sweep"), Request("P"))[0] if token == row.token else row
        assert held(left) == held(expected), (row, token)
        assert said is (held(left) != held(row)), (row, token)
        swept += bool(said)
    assert swept == 3
