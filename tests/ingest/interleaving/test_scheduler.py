"""The scheduler itself, on SQL written by hand: it plays as many orders as there are, and says how it came to a fault.

It finds what a retry does to check-then-act, and nothing where a unique constraint is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError, OperationalError

from tests.ingest.interleaving.exploring import Client, Place
from tests.ingest.interleaving.scheduler import Actor, Scene, Step, Unrepeatable, explore

Part = Callable[[Connection, str, str], str]


@pytest.fixture(scope="module")
def clients(place: Place) -> list[Client]:
    number = {"postgresql": "bigint GENERATED ALWAYS AS IDENTITY", "mariadb": "bigint AUTO_INCREMENT"}
    for table in ("plain", "guarded"):
        place.rows(f"DROP TABLE IF EXISTS {table}")
    place.rows(f"CREATE TABLE plain (number {number.get(place.name, 'INTEGER')} PRIMARY KEY, id varchar(50))")
    place.rows("CREATE TABLE guarded (id varchar(50) PRIMARY KEY)")
    return [place.client("A"), place.client("B")]


def check_then_act(connection: Connection, table: str, id: str) -> str:
    found = connection.execute(text(f"SELECT id FROM {table} WHERE id = :id"), {"id": id}).all()
    if found:
        return "duplicate"
    connection.execute(text(f"INSERT INTO {table} (id) VALUES (:id)"), {"id": id})
    connection.commit()
    return "stored"


def insert(connection: Connection, table: str, id: str) -> str:
    try:
        connection.execute(text(f"INSERT INTO {table} (id) VALUES (:id)"), {"id": id})
    except IntegrityError:
        return "duplicate"
    connection.commit()
    return "stored"


def scenes(place: Place, clients: list[Client], part: Part, table: str) -> Callable[[], Scene]:
    """Let all clients write one ID; one row must come of it, and one of them must be told that it stored it."""

    def stage() -> Scene:
        id = place.new_id()

        def play(client: Client) -> str:
            while True:
                try:
                    with client.engine.connect() as connection:
                        return part(connection, table, id)
                except OperationalError:
                    assert place.name == "sqlite"
                    client.pause(0)

        def check(answers: Mapping[str, object]) -> Iterator[str]:
            rows = len(place.rows(f"SELECT id FROM {table} WHERE id = :id", id=id))
            if rows != 1:
                yield f"{rows} rows of one ID"
            if sorted(map(str, answers.values())) != ["duplicate"] * (len(answers) - 1) + ["stored"]:
                yield "not exactly one stored it"

        return Scene({client.actor: partial(play, client) for client in clients}, check)

    return stage


def test_check_then_act_is_caught_in_all_orders_but_two(place: Place, clients: list[Client]) -> None:
    explored = explore(scenes(place, clients, check_then_act, "plain"), reduced=False)
    if place.name == "sqlite":
        # Who comes second to the only write lock looks again; those who both looked before have both decided.
        assert explored.outcomes == {("stored", "stored"): 6, ("stored", "duplicate"): 4, ("duplicate", "stored"): 4}
    else:
        assert explored.schedules == 20, explored  # (3 + 3)! / (3! * 3!)
        assert explored.outcomes == {("stored", "stored"): 18, ("stored", "duplicate"): 1, ("duplicate", "stored"): 1}
    assert len(explored.broken) == explored.outcomes["stored", "stored"]
    assert all("2 rows of one ID" in one.problems for one in explored.broken)


def test_with_a_unique_constraint_one_is_stored_in_every_order(place: Place, clients: list[Client]) -> None:
    explored = explore(scenes(place, clients, insert, "guarded"), reduced=False)
    assert not explored.broken, explored
    assert set(explored.outcomes) == {("stored", "duplicate"), ("duplicate", "stored")}
    assert explored.schedules >= 4, explored


@pytest.mark.parametrize(("part", "table"), [(check_then_act, "plain"), (insert, "guarded")])
def test_orders_left_out_come_to_the_same(place: Place, clients: list[Client], part: Part, table: str) -> None:
    whole = explore(scenes(place, clients, part, table), reduced=False)
    reduced = explore(scenes(place, clients, part, table))
    assert set(reduced.outcomes) == set(whole.outcomes)
    assert reduced.schedules < whole.schedules or part is insert


def test_a_failing_order_is_told_step_by_step(place: Place, clients: list[Client]) -> None:
    explored = explore(scenes(place, clients, check_then_act, "plain"), until_broken=True)
    assert len(explored.broken) == 1
    lines = str(explored.broken[0]).splitlines()
    assert lines[0] == "2 rows of one ID; not exactly one stored it"
    assert lines[-1] == "A answered stored, B answered stored"
    steps = [line.split()[:2] for line in lines[1:-1]]
    assert sorted(map(tuple, steps)) == sorted(
        (f"{name}:", step) for name in "AB" for step in ("SELECT", "INSERT", "COMMIT")
    )
    assert steps.index(["B:", "SELECT"]) < steps.index(["A:", "COMMIT"])


def test_who_waits_for_a_lock_is_asked_of_the_server(place: Place, clients: list[Client]) -> None:
    stage = scenes(place, clients, insert, "guarded")
    explored = explore(lambda: Scene(stage().parts, lambda answers: ["shown"]), reduced=False)
    told = {line for one in explored.broken for line in one.lines}
    waits = "(waits)" if place.name == "sqlite" else "… waits for a lock"
    assert {f"A: {waits}", f"B: {waits}"} <= told


@pytest.mark.parametrize("place", ["postgresql", "mariadb"], indirect=True)  # one write lock makes no ring
def test_a_deadlock_is_left_to_the_server(place: Place, clients: list[Client]) -> None:
    def stage() -> Scene:
        ids = [place.new_id(), place.new_id()]

        def play(client: Client, order: list[str]) -> str:
            try:
                with client.engine.begin() as connection:
                    for id in order:
                        connection.execute(text("INSERT INTO guarded (id) VALUES (:id)"), {"id": id})
            except OperationalError:
                return "deadlock"
            except IntegrityError:
                return "duplicate"
            return "stored"

        parts = zip(clients, (ids, ids[::-1]), strict=True)
        return Scene(
            {client.actor: partial(play, client, order) for client, order in parts},
            lambda answers: ["one was ended"] if "deadlock" in answers.values() else [],
        )

    # Whom the server ends is its own choice, so what comes after that cannot be repeated.
    explored = explore(stage, until_broken=True)
    assert set(explored.outcomes) & {("stored", "deadlock"), ("deadlock", "stored")}, explored
    assert any(line.endswith("waits for a lock") for line in explored.broken[0].lines)


# What follows has no database: actors on a dictionary.

Program = list[tuple[str, str]]


def playing(programs: Mapping[str, Program], seen: set[str]) -> Callable[[], Scene]:
    """Let each actor read (`r`) or write (`w`) variables; `seen` gets what all variables and reads were in the end."""
    actors = {name: Actor(name) for name in programs}

    def stage() -> Scene:
        world: dict[str, str] = {}

        def play(actor: Actor, program: Program) -> str:
            read = ""
            for act, variable in program:
                names = frozenset({variable})
                actor.step(Step(f"{act} {variable}", reads=names, writes=names if act == "w" else frozenset()))
                if act == "w":
                    # What is written tells what was read before: a lost update shows.
                    world[variable] = f"{actor.name}({world.get(variable, '')}{read})"
                else:
                    read += world.get(variable, "-")
            return read

        def check(answers: Mapping[str, object]) -> Iterator[str]:
            seen.add(f"{sorted(world.items())} {sorted(answers.items())}")
            yield from ()

        return Scene({actor: partial(play, actor, programs[name]) for name, actor in actors.items()}, check)

    return stage


def test_all_orders_are_played_once() -> None:
    seen: set[str] = set()
    programs = {"A": [("w", "x")] * 3, "B": [("w", "x")] * 2, "C": [("w", "x")]}
    explored = explore(playing(programs, seen), reduced=False)
    assert explored.schedules == len(seen) == 60  # 6! / (3! * 2! * 1!)
    assert explored.steps == 60 * 6


def test_steps_that_commute_are_not_played_in_both_orders() -> None:
    seen: set[str] = set()
    explored = explore(playing({"A": [("w", "x")] * 3, "B": [("w", "y")] * 3}, seen))
    assert (explored.schedules, len(seen)) == (1, 1)


def test_few_switches_are_few_orders() -> None:
    programs = {"A": [("w", "x")] * 3, "B": [("w", "x")] * 3}
    orders = [explore(playing(programs, set()), switches=switches).schedules for switches in (0, 1, 2, 9)]
    assert orders == [2, 6, 14, 20]


@given(
    programs=st.lists(
        st.lists(st.tuples(st.sampled_from("rw"), st.sampled_from("xyz")), max_size=4), min_size=2, max_size=3
    ).filter(lambda programs: sum(map(len, programs)) <= 6)
)
@settings(max_examples=25)
def test_whatever_can_come_of_an_order_comes_of_one_that_is_played(programs: list[Program]) -> None:
    named = dict(zip("ABC", programs, strict=False))
    whole: set[str] = set()
    reduced: set[str] = set()
    explore(playing(named, whole), reduced=False)
    explored = explore(playing(named, reduced))
    assert reduced == whole
    assert explored.schedules >= len(whole)


def test_who_pauses_goes_on_when_what_it_waits_for_moved_or_when_nobody_else_can() -> None:
    pausing, other = Actor("A"), Actor("B")
    happened: list[str] = []

    def pause() -> None:
        pausing.step(Step("(waits)", reads=frozenset("x"), pause=True))
        happened.append("A")

    def act(variables: str) -> None:
        for variable in variables:
            other.step(Step(f"w {variable}", writes=frozenset(variable)))
            happened.append(variable)

    orders: set[str] = set()
    for variables in ("yx", "yyx", "yy"):

        def check(answers: Mapping[str, object]) -> Iterator[str]:
            orders.add("".join(happened))
            happened.clear()
            yield from ()

        parts = {pausing: pause, other: partial(act, variables)}
        explore(lambda parts=parts, check=check: Scene(parts, check), reduced=False)  # type: ignore[misc]
    assert orders == {"yxA", "yyxA", "yyA"}


def test_what_does_not_depend_on_the_order_alone_is_refused() -> None:
    actors = {Actor(name): [("w", "x")] * 2 for name in "AB"}
    runs = iter(range(100))

    def stage() -> Scene:
        run = next(runs)

        def play(actor: Actor) -> None:
            for number in range(2):
                actor.step(Step(f"step {number} of run {run}", writes=frozenset("x")))

        return Scene({actor: partial(play, actor) for actor in actors}, lambda answers: ())

    with pytest.raises(Unrepeatable, match="A: step 0 of run 0.*step 0 of run 1"):
        explore(stage)


def test_who_is_killed_does_nothing_more(place: Place, clients: list[Client]) -> None:
    first = clients[0]
    stage = scenes(place, clients, insert, "guarded")
    outcomes = []
    for lives in range(3):
        first.actor.lives = lives
        try:
            outcomes.append(set(explore(lambda: Scene(stage().parts, lambda answers: ())).outcomes))
        finally:
            first.actor.lives = None
    # Killed before its INSERT or its COMMIT it stored nothing; where it had gone on, it would have answered.
    assert outcomes[0] == {("Killed", "stored")}
    assert ("Killed", "stored") in outcomes[1]
    assert ("stored", "duplicate") in outcomes[2]
