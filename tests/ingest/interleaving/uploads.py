"""Requests for pictures under one ID, each by a writer and a connection of its own, and what must come of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

from sqlalchemy import text

from dedupaudit.ingest import claims
from dedupaudit.ingest.errors import IdCollision, StillUploading, UploadFailed
from dedupaudit.ingest.events import Screenshot
from dedupaudit.ingest.protections.protocol import Protection
from dedupaudit.ingest.protections.unique import UniqueConstraint
from dedupaudit.ingest.screenshots import ScreenshotWriter, object_key
from dedupaudit.ingest.tables import SCREENSHOTS, Table, describe
from dedupaudit.ingest.transactions import in_transaction
from dedupaudit.stores.local import LocalStore
from dedupaudit.stores.protocol import ObjectStore
from tests.ingest.interleaving.exploring import PAUSE, Client, Place, SteppingStore, pauses_are_steps
from tests.ingest.interleaving.scheduler import Actor, Explored, Scene, explore, shown

LEASE = 60.0
WAIT = 4.5 * PAUSE
_HOUR_AGO = {
    "postgresql": "now() - interval '1 hour'",
    "mariadb": "now() - interval 1 hour",
    "sqlite": "datetime('now', '-1 hour')",
}

MakeWriter = Callable[[Client, ObjectStore], ScreenshotWriter]


@dataclass(frozen=True)
class Ended:
    """What a run left: the answers by name, the row's status and retry_count, and how many PUTs have written."""

    answers: Mapping[str, str]
    status: str | None
    retry_count: int | None
    writes: int

    @property
    def said(self) -> list[str]:
        """The answers, sorted."""
        return sorted(self.answers.values())


Expect = Callable[[Ended], Iterable[str]]


def writer_of(
    protection: Callable[[Client], Protection] = lambda client: UniqueConstraint(), table: Table = SCREENSHOTS
) -> MakeWriter:
    """Return what makes a writer as it is shipped."""
    return lambda client, store: ScreenshotWriter(
        client.engine, store, lease=LEASE, wait=WAIT, protection=protection(client), table=table
    )


class Uploads:
    """Writers A and B, and others: E lets leases end, S sweeps, H is in the midst of an upload that took too long."""

    def __init__(self, place: Place, folder: Path, make: MakeWriter | None = None) -> None:
        self._place = place
        self._folder = LocalStore(f"file://{folder}")
        self._clients = {name: place.client(name, autocommit=name == "E") for name in "ABEHS"}
        self._stores = {name: SteppingStore(self._folder, client.actor) for name, client in self._clients.items()}
        make = make or writer_of()
        self._writers = {name: make(self._clients[name], self._stores[name]) for name in "ABS"}
        self._clients["retry"] = place.client("retry")
        self._retries = writer_of()(self._clients["retry"], self._folder)
        for writer in (*self._writers.values(), self._retries):
            writer.sweep()
        self._described = in_transaction(place.watching, lambda connection: describe(connection, SCREENSHOTS))
        self._id = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for client in self._clients.values():
            client.engine.dispose()

    def explore(
        self,
        pictures: Mapping[str, bytes],
        expect: Expect,
        others: str = "",
        *,
        refusals: int = 0,
        began: str | None = None,
        lives: int | None = None,
        retried: bool = False,
        switches: int | None = None,
        until_broken: bool = False,
    ) -> Explored:
        """Play requests for these pictures, by the writers' names, in every order.

        `others`: which of E, H and S play along. A's first `refusals` PUTs are refused; after `lives` steps it dies.
        `began`: a row of that status was there, as one who died an hour ago left it. `retried`: in the end the lease is
        over, and whoever asks once more gets one of the pictures stored.
        """

        def stage() -> Scene:
            self._begin(pictures, began, refusals)
            parts: dict[Actor, Callable[[], object]] = {
                self._clients[name].actor: partial(self._write, self._writers[name], picture)
                for name, picture in pictures.items()
            }
            acts = {"E": self._end_lease, "H": self._go_on, "S": self._sweep}
            parts |= {self._clients[name].actor: acts[name] for name in others}
            return Scene(parts, partial(self._check, pictures, expect, retried))

        first = self._clients["A"].actor
        first.lives = lives
        try:
            with pauses_are_steps(*self._clients.values()):
                return explore(stage, switches=switches, until_broken=until_broken)
        finally:
            first.lives = None

    # ---- what the actors do

    def _begin(self, pictures: Mapping[str, bytes], began: str | None, refusals: int) -> None:
        # A sweep sees all rows: those of earlier runs must not be there.
        self._place.rows("DELETE FROM screenshots")
        self._id = self._place.new_id()
        if began is not None:
            self._place.rows(
                "INSERT INTO screenshots (id, device_id, timestamp, status, updated_at)"
                f" VALUES (:id, 'd', 1, '{began}', {_HOUR_AGO[self._place.name]})",
                id=self._id,
            )
        for client in self._clients.values():
            client.begin()
        for store in self._stores.values():
            store.wrote.clear()
        self._stores["A"].refuses = refusals

    def _shot(self, picture: bytes) -> Screenshot:
        return Screenshot(self._id, "d", 1, picture)

    def _write(self, writer: ScreenshotWriter, picture: bytes) -> str:
        try:
            return "duplicate" if writer.write(self._shot(picture)).duplicate else "stored"
        except IdCollision:
            return "collision"
        except StillUploading:
            return "busy"
        except UploadFailed:
            return "failed"

    def _sweep(self) -> str:
        return f"swept {self._writers['S'].sweep()}"

    def _go_on(self) -> str:
        """Renew the claim that the row began with, and complete it, as a request does whose upload took too long."""
        engine, key, store = self._clients["H"].engine, (self._id,), self._stores["H"]
        shot = self._shot(b"p")
        place, table = object_key(shot), self._described
        store.put(place, shot.picture)
        in_transaction(engine, lambda connection: claims.renew(connection, table, key, 0))
        written = {"oss_key": place, "oss_url": store.url(place), "file_size": len(shot.picture)}
        completed = in_transaction(engine, lambda connection: claims.complete(connection, table, key, 0, written))
        return "stored" if completed else "lost"

    def _end_lease(self) -> str:
        """Let an hour pass since the claim."""
        then = _HOUR_AGO[self._place.name]
        sql = f"UPDATE screenshots SET updated_at = {then} WHERE id = :id AND status = 'uploading'"
        with self._clients["E"].engine.connect() as connection:
            return f"ended {connection.execute(text(sql), {'id': self._id}).rowcount}"

    # ---- what must come of it

    def _check(
        self, pictures: Mapping[str, bytes], expect: Expect, retried: bool, answers: Mapping[str, object]
    ) -> Iterator[str]:
        said = {name: shown(answer) for name, answer in answers.items()}
        rows = self._rows()
        writes = sum(len(store.wrote) for store in self._stores.values())
        yield from self._problems(pictures, said, rows, writes)
        status, retry_count = (str(rows[0][0]), int(rows[0][1])) if rows else (None, None)
        yield from expect(Ended({name: said[name] for name in pictures}, status, retry_count, writes))
        if retried:
            yield from self._retry(pictures, rows)

    def _rows(self) -> list[tuple[Any, ...]]:
        sql = "SELECT status, coalesce(retry_count, 0), file_size, oss_key FROM screenshots WHERE id = :id"
        return [tuple(row) for row in self._place.rows(sql, id=self._id)]

    def _object_of(self, pictures: Mapping[str, bytes]) -> bytes | None:
        key = object_key(self._shot(b""))
        return next((picture for picture in pictures.values() if self._folder.holds(key, picture)), None)

    def _problems(
        self, pictures: Mapping[str, bytes], said: Mapping[str, str], rows: list[tuple[Any, ...]], writes: int
    ) -> Iterator[str]:
        """Say what no order may ever lead to."""
        stored = self._object_of(pictures)
        completed = [row for row in rows if row[0] == "completed"]
        if len(rows) > 1 or (not rows and "Killed" not in said.values()):
            yield f"{len(rows)} rows"
        if writes > 1:
            yield f"{writes} PUTs have written one object"
        for name, picture in pictures.items():
            if said[name] not in ("stored", "duplicate", "collision", "busy", "failed", "Killed"):
                yield f"{name} was told nothing that a client understands"
            if said[name] in ("stored", "duplicate") and not (completed and stored == picture):
                yield f"{name} was told success without row and object"
        if list(said.values()).count("stored") > 1:
            yield "two have stored one picture"
        for _status, _retries, size, key in completed:
            if stored is None or (size, key) != (len(stored), object_key(self._shot(b""))):
                yield "the row says completed, and the object is not what it says"
            if "stored" not in said.values() and "Killed" not in said.values():
                yield "the picture is stored, and nobody was told so"

    def _retry(self, pictures: Mapping[str, bytes], rows: list[tuple[Any, ...]]) -> Iterator[str]:
        self._end_lease()
        picture = self._object_of(pictures) or next(iter(pictures.values()))
        answer = self._write(self._retries, picture)
        expected = "duplicate" if rows and rows[0][0] == "completed" else "stored"
        if answer != expected:
            yield f"a retry was answered {answer} and not {expected}"
        yield from self._problems({"retry": picture}, {"retry": answer, "earlier": "Killed"}, self._rows(), 0)
