"""A pure model of how one picture is uploaded: world + atomic step → world, small enough to be explored whole.

It is written by hand beside the code, not made from it: the code is held against it. One step is what happens in one
statement, or in one request to the object store. `Rules` takes a safeguard away, to see what it is there for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

At = Literal["insert", "look", "claim", "put", "verify", "complete", "fail", "confirm", "done", "dead"]
"""What a request does next. `done`: it answered; `dead`: its process is gone, and nobody got an answer."""
Said = Literal["", "stored", "duplicate", "collision", "busy", "failed"]


@dataclass(frozen=True)
class Rules:
    """The safeguards. Without any of them `explore` finds a way to do harm."""

    claim_compares: bool = True
    """A claim is won by one; otherwise whoever finds the row not completed goes on."""
    token_compared: bool = True
    """`complete` and `fail` are for the holder of the token."""
    take_over_counts: bool = True
    """A take over makes a new token."""
    put_keeps: bool = True
    """PUT does not overwrite an object that is there."""
    verifies: bool = True
    """The object is looked at before `completed` is written, and before a duplicate is told success."""


RULES = Rules()


@dataclass(frozen=True)
class Row:
    """`token` is retry_count; `live`: the lease of an `uploading` is not over; `picture`: what `completed` says of."""

    status: Literal["pending", "uploading", "completed", "failed"] = "pending"
    token: int = 0
    live: bool = False
    picture: str | None = None


@dataclass(frozen=True)
class Request:
    """One request of one client. `token`: of its claim; `then`: what it answers once the row says `failed`."""

    picture: str
    at: At = "insert"
    token: int | None = None
    then: Said = ""
    said: Said = ""


@dataclass(frozen=True)
class World:
    """One row, one object (its content), and the requests for them; `ends` is how many leases may still run out."""

    row: Row | None
    object: str | None
    requests: tuple[Request, ...]
    ends: int = 2
    crashes: int = 1
    refusals: int = 1


class Step(NamedTuple):
    """`go`, `crash`, `refused` (by the object store), `renew`, `give up` of a request; `expire`, `sweep` of the row."""

    what: Literal["go", "crash", "refused", "renew", "give up", "expire", "sweep"]
    request: int | None = None


def start(pictures: Sequence[str], *, ends: int = 2, crashes: int = 1, refusals: int = 1) -> World:
    """Return the world before anything happened: a request for each picture, all under one ID."""
    return World(None, None, tuple(Request(picture) for picture in pictures), ends, crashes, refusals)


def steps(world: World) -> list[Step]:
    """Return what can happen next, whoever is scheduled."""
    found: list[Step] = []
    for index, request in enumerate(world.requests):
        if request.at in ("done", "dead"):
            continue
        found.append(Step("go", index))
        if world.crashes:
            found.append(Step("crash", index))
        if world.refusals and request.at in ("put", "verify"):
            found.append(Step("refused", index))
        if request.at in ("put", "verify", "complete") and world.row is not None and not world.row.live:
            found.append(Step("renew", index))
        if request.at == "look" and world.row is not None and world.row.status == "uploading":
            found.append(Step("give up", index))
    if world.row is not None and world.row.status == "uploading":
        if world.row.live and world.ends:
            found.append(Step("expire"))
        if not world.row.live:
            found.append(Step("sweep"))
    return found


def after(world: World, step: Step, rules: Rules = RULES) -> World:
    """Return the world after one step of `steps(world)`."""
    row = world.row
    if step.request is None:
        if row is None or row.status != "uploading":
            return world
        if step.what == "expire":
            return replace(world, row=replace(row, live=False), ends=world.ends - 1)
        return world if row.live else replace(world, row=Row("failed", row.token + 1))
    request = world.requests[step.request]
    match step.what:
        case "go":
            return _go(world, step.request, request, rules)
        case "crash":
            world = replace(world, crashes=world.crashes - 1)
            return _with(world, step.request, replace(request, at="dead"))
        case "refused":
            world = replace(world, refusals=world.refusals - 1)
            return _with(world, step.request, replace(request, at="fail", then="failed"))
        case "renew":
            mine = row is not None and row.status == "uploading" and row.token == request.token
            return replace(world, row=replace(row, live=True)) if row is not None and mine else world
        case _:
            return _with(world, step.request, replace(request, at="done", said="busy"))


def _go(world: World, index: int, request: Request, rules: Rules) -> World:
    row = world.row
    if request.at == "insert" or row is None:
        if row is None:
            return _with(replace(world, row=Row()), index, replace(request, at="claim"))
        return _with(world, index, replace(request, at="look"))
    match request.at:
        case "look":
            completed = row.status == "completed"
            return _with(world, index, replace(request, at="confirm" if completed else "claim"))
        case "claim":
            claimed = _claimed(row, rules)
            if claimed is None:
                return _with(world, index, replace(request, at="look"))
            return _with(replace(world, row=claimed), index, replace(request, at="put", token=claimed.token))
        case "put":
            kept = world.object is not None and rules.put_keeps
            world = world if kept else replace(world, object=request.picture)
            return _with(world, index, replace(request, at="verify" if rules.verifies else "complete"))
        case "verify":
            if world.object == request.picture:
                return _with(world, index, replace(request, at="complete"))
            said: Said = "failed" if world.object is None else "collision"
            return _with(world, index, replace(request, at="fail", then=said))
        case "complete":
            if not _mine(row, request, rules):
                return _with(world, index, replace(request, at="look", token=None))
            world = replace(world, row=Row("completed", row.token, picture=request.picture))
            return _with(world, index, replace(request, at="done", said="stored"))
        case "fail":
            if _mine(row, request, rules):
                world = replace(world, row=Row("failed", row.token + 1))
            return _with(world, index, replace(request, at="done", said=request.then))
        case _:
            # A completed row is no proof: the object is.
            same = world.object == request.picture or not rules.verifies
            return _with(world, index, replace(request, at="done", said="duplicate" if same else "collision"))


def _claimed(row: Row, rules: Rules) -> Row | None:
    if row.status in ("pending", "failed"):
        return Row("uploading", row.token, live=True)
    if row.status == "uploading" and not row.live:
        return Row("uploading", row.token + rules.take_over_counts, live=True)
    if row.status == "uploading" and not rules.claim_compares:
        return Row("uploading", row.token, live=True)
    return None


def _mine(row: Row, request: Request, rules: Rules) -> bool:
    if not rules.token_compared:
        return True
    return row.status == "uploading" and row.token == request.token


def _with(world: World, index: int, request: Request) -> World:
    return replace(world, requests=(*world.requests[:index], request, *world.requests[index + 1 :]))


def broken(before: World, world: World) -> list[str]:
    """Return what must never be true of a world, or of the step that led to it, in words."""
    found: list[str] = []
    old, row = before.row, world.row
    if row is not None and row.status == "completed" and world.object != row.picture:
        found.append("completed without its object")
    if old is not None and row is not None:
        if row.token < old.token:
            found.append("retry_count shrank")
        if old.status == "completed" and row != old:
            found.append("a completed row was overwritten")
    if before.object is not None and world.object != before.object:
        found.append("an object was overwritten")
    completed = row is not None and row.status == "completed"
    told = [one.picture for one in world.requests if one.said in ("stored", "duplicate")]
    if any(not completed or world.object != picture for picture in told):
        found.append("told success without row and object")
    holders = [one.token for one in world.requests if one.at in ("put", "verify", "complete", "fail")]
    if len(set(holders)) < len(holders):
        found.append("two requests hold one token")
    return found


class Harm(NamedTuple):
    """How harm is done: the steps that lead there from the start."""

    what: str
    path: tuple[Step, ...]


def explore(world: World, rules: Rules = RULES, seen: set[World] | None = None) -> Iterator[Harm]:
    """Go every way from here, and yield each harm with the shortest way to it; worlds are in `seen`, each once."""
    seen = set() if seen is None else seen
    seen.add(world)
    paths: dict[World, tuple[Step, ...]] = {world: ()}
    edge = [world]
    while edge:
        following: list[World] = []
        for before in edge:
            for step in steps(before):
                reached = after(before, step, rules)
                path = (*paths[before], step)
                for what in broken(before, reached):
                    yield Harm(what, path)
                if reached not in seen:
                    seen.add(reached)
                    paths[reached] = path
                    following.append(reached)
            del paths[before]
        edge = following
