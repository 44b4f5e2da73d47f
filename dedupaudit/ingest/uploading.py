"""One request for one picture: row, claim, object, verification, `completed`; and the answers to who did not win."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from dedupaudit.display import visible
from dedupaudit.errors import SourceError
from dedupaudit.ingest import claims, telling
from dedupaudit.ingest.errors import IdCollision, StillUploading, Unavailable, UploadFailed
from dedupaudit.ingest.events import Screenshot, Uploaded
from dedupaudit.ingest.transactions import in_transaction
from dedupaudit.ingest.values import check
from dedupaudit.ingest.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Engine

    from dedupaudit.ingest.claims import Seen
    from dedupaudit.ingest.protections.protocol import Key, Protection
    from dedupaudit.ingest.renewing import Leases
    from dedupaudit.ingest.tables import Described
    from dedupaudit.stores.protocol import ObjectStore

_T = TypeVar("_T")
_AGAIN: Final = "send the picture again, which is safe"
_STATES: Final = ("pending", "uploading", "failed")


@dataclass(frozen=True)
class Tools:
    """What all requests of one writer work with."""

    engine: Engine
    store: ObjectStore
    protection: Protection
    table: Described
    leases: Leases
    lease: float


class Upload:
    """One request. `place` is the object's key, `url` its address. Raises Rejected, before anything is written."""

    def __init__(self, tools: Tools, shot: Screenshot, place: str, url: str) -> None:
        names = tools.table.table
        self._tools, self._table, self._shot = tools, tools.table, shot
        self._place, self._url = place, url
        self._identity: dict[str, object] = {
            names.column(name): getattr(shot, name) for name in dict.fromkeys((*names.key, "device_id", "timestamp"))
        }
        """What makes it this event; it never changes."""
        self._written: dict[str, object] = {names.column("oss_key"): place, names.column("oss_url"): url}
        if (size := names.column("file_size")) in self._table.columns:
            self._written[size] = len(shot.picture)
        check(self._table, self._identity | self._written)
        self.key: Key = tuple(getattr(shot, name) for name in names.key)
        self._shown = visible(shot.id)
        self._token: int | None = None
        """Of the last claim that this request won."""

    def answer(self, wait: float) -> Uploaded:
        """Upload the picture, or wait until another request did; see ScreenshotWriter.write."""
        waiting, told = Waiting(wait), False
        seen = None if self._insert() else self._look()
        while True:
            if seen is not None and seen.status == "completed":
                return self._already(seen)
            if self._token is not None and waiting.is_over:
                raise self._still(waiting)
            token = self._claim(seen)
            if token is not None:
                self._token = token
                if self._upload(token):
                    return Uploaded(self._shot.id, self._place, self._url)
            else:
                if not told:
                    telling.waiting(self._shot.id)
                told = True
                if not waiting.pause():
                    raise self._still(waiting)
            seen = self._look_again()

    # ---- the row

    def _insert(self) -> bool:
        """Insert the row as `pending`. False: one of this key is there."""
        names = self._table.table
        row = self._identity | {names.column("status"): "pending", names.column("retry_count"): 0}
        if names.version is not None:
            row[names.version] = 0
        return self._in_transaction(lambda connection: self._tools.protection.insert(connection, self._table, row))

    def _look(self) -> Seen | None:
        """Return the row as it is; None: somebody deleted it. Raises IdCollision where it is another event's."""
        columns = tuple(self._identity | self._written)
        seen = self._in_transaction(
            lambda connection: claims.look(connection, self._table, self.key, self._tools.lease, columns)
        )
        if seen is None:
            return None
        if differs := tuple(name for name, value in self._identity.items() if seen.values[name] != value):
            raise self._collision(differs)
        if seen.status not in (*_STATES, "completed"):
            raise UploadFailed(
                f"the row of {self._shown} has status {visible(seen.status)}, which no upload begins from",
                "`dedupaudit scan --check illegal_state` shows all such rows; then send the picture again",
            )
        return seen

    def _look_again(self) -> Seen | None:
        """Return the row; None where it was gone, and this request inserted it anew."""
        seen = self._look()
        return self._look() if seen is None and not self._insert() else seen

    def _claim(self, seen: Seen | None) -> int | None:
        """Try to win the right to upload: the claim's token; None: it is another's."""
        if seen is not None and seen.held:
            return None
        tools = self._tools
        token = self._in_transaction(
            lambda connection: tools.protection.claim(connection, tools.table, self.key, tools.lease)
        )
        if token is not None and seen is not None and seen.status == "failed":
            telling.again(self._shot.id)
        return token

    # ---- the object

    def _upload(self, token: int) -> bool:
        """Put the object, verify it, and complete the row. False: the claim was lost meanwhile."""
        try:
            with self._tools.leases.renewed(self.key, token):
                self._put()
            completed = self._in_transaction(
                lambda connection: claims.complete(connection, self._table, self.key, token, self._written)
            )
        except Unavailable:
            # Whether the row is completed is open; if it is not, its lease ends.
            raise
        except SourceError as error:
            self._give_back(token)
            raise UploadFailed(f"the picture {self._shown} could not be stored: {error.message}", _AGAIN) from error
        except DBAPIError as error:
            self._give_back(token)
            raise UploadFailed(
                f"the row of {self._shown} could not be completed: the database refuses its values", _AGAIN
            ) from error
        except BaseException:
            self._give_back(token)
            raise
        if completed:
            telling.upload_done(self._shot.id)
        return completed

    def _put(self) -> None:
        """Write the object where there is none, and make sure that it has this very picture."""
        shot, store = self._shot, self._tools.store
        store.put(self._place, shot.picture, content_type=shot.content_type, overwrite=False)
        held = store.holds(self._place, shot.picture)
        if held is None:
            raise UploadFailed(f"the picture {self._shown} was put into {store.shown}, and is not there", _AGAIN)
        if not held:
            raise self._collision(("picture",))

    def _give_back(self, token: int) -> None:
        """Let others try at once; where that cannot be written, they wait until the lease is over."""
        with suppress(Unavailable, SQLAlchemyError):
            self._in_transaction(lambda connection: claims.fail(connection, self._table, self.key, token))
        telling.upload_failed(self._shot.id)

    # ---- the answers

    def _already(self, seen: Seen) -> Uploaded:
        """Answer from a completed row, once its object is verified: the row alone proves nothing.

        An object that is gone is put again where the row has this picture's size: nobody else may have it any more.
        """
        columns = self._table.table.column
        place, url = seen.values[columns("oss_key")], seen.values[columns("oss_url")]
        if not place:
            raise UploadFailed(
                f"the row of {self._shown} is completed and names no object",
                "`dedupaudit crosscheck` shows such rows; mark it failed, and send the picture again",
            )
        shot, store, size = self._shot, self._tools.store, seen.values.get(columns("file_size"))
        try:
            held = store.holds(place, shot.picture)
            if held is None and size == len(shot.picture):
                store.put(place, shot.picture, content_type=shot.content_type, overwrite=False)
                held = store.holds(place, shot.picture)
        except SourceError as error:
            raise UploadFailed(f"the picture {self._shown} could not be verified: {error.message}", _AGAIN) from error
        if held is None and size is None:
            raise UploadFailed(
                f"the row of {self._shown} is completed and its object is gone",
                "`dedupaudit crosscheck` shows such rows; mark it failed, and send the picture again",
            )
        if not held:
            raise self._collision(("picture",))
        if seen.token == self._token:
            # No other claim has this token: this request completed the row, and its COMMIT went unanswered.
            telling.upload_done(shot.id)
            return Uploaded(shot.id, place, url)
        telling.already(shot.id)
        return Uploaded(shot.id, place, url, duplicate=True)

    def _still(self, waiting: Waiting) -> StillUploading:
        return StillUploading(
            f"another request uploads {self._shown}, and had not finished after {waiting.waited:.1f} s",
            "send the picture again later: nothing is lost",
            waiting.waited,
        )

    def _collision(self, differs: tuple[str, ...]) -> IdCollision:
        named = ", ".join(visible(name) for name in differs)
        return IdCollision(
            f"another picture has the ID {self._shown} already: {named} differs",
            "give this one an ID of its own; the key (device_id, id) keeps devices apart",
            self.key,
            differs,
        )

    def _in_transaction(self, work: Callable[[Connection], _T]) -> _T:
        return in_transaction(self._tools.engine, work)
