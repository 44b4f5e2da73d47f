"""One request for one picture: row, claim, object, verification, `completed`; and the answers to who did not win."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from dedupaudit.display import visible
from dedupaudit.errors import SourceError, UsageError
from dedupaudit.ingest import claims, telling
from dedupaudit.ingest.errors import IngestError, Rejected, StillUploading, Unavailable, UploadFailed
from dedupaudit.ingest.events import Screenshot, Uploaded
from dedupaudit.ingest.stored import differing
from dedupaudit.ingest.transactions import in_transaction
from dedupaudit.ingest.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from dedupaudit.ingest.claims import Seen
    from dedupaudit.ingest.renewing import Leases
    from dedupaudit.ingest.rows import RowWriter
    from dedupaudit.stores.protocol import ObjectStore

_T = TypeVar("_T")
_AGAIN: Final = "send the picture again, which is safe"
_IDENTITY: Final = ("device_id", "timestamp")
_LOST_CLAIMS: Final = 3
"""A request that lost its lease so often would only lose it again: renewals do not get through."""
_STATES: Final = ("pending", "uploading", "failed")


@dataclass(frozen=True)
class Tools:
    """What all requests of one writer work with."""

    rows: RowWriter
    store: ObjectStore
    place: Callable[[Screenshot], str]
    """Says which key a picture's object has."""
    leases: Leases
    lease: float


class Upload:
    """One request. Raises Rejected, before anything is written, where its picture can never be stored."""

    def __init__(self, tools: Tools, shot: Screenshot) -> None:
        self._tools, self._rows, self._table = tools, tools.rows, tools.rows.described()
        self._shot, self._shown = shot, visible(shot.id)
        column = self._table.table.column
        identity = {column(name): getattr(shot, name) for name in dict.fromkeys((*self._table.table.key, *_IDENTITY))}
        self._pending = self._rows.encode(identity | {column("status"): "pending", column("retry_count"): 0})
        self._identity = {name: self._pending[name] for name in identity}
        """What makes it this event; it never changes."""
        self.key = self._rows.key(self._pending)
        if not isinstance(shot.picture, bytes):
            raise Rejected(
                f"the picture {self._shown} is no bytes, but {type(shot.picture).__name__}",
                "give it whole, as bytes: decode a text, read a file, copy a buffer",
            )
        if not isinstance(shot.content_type, str):
            raise Rejected(f"the picture {self._shown} has no content type", "say what it is, as in image/jpeg")
        self._place = tools.place(shot)
        try:
            self._url = tools.store.url(self._place)
        except UsageError as error:
            raise self._impossible(error) from error
        except SourceError as error:
            raise self._failed("could not be stored", error) from error
        written = {column("oss_key"): self._place, column("oss_url"): self._url, column("file_size"): len(shot.picture)}
        if column("file_size") not in self._table.columns:
            del written[column("file_size")]
        encoded = self._rows.encode(identity | written)
        self._written = {name: encoded[name] for name in written}
        """What the row says of the object, once it is completed."""
        self._token: int | None = None
        """Of the last claim that this request won."""

    def answer(self, wait: float) -> Uploaded:
        """Upload the picture, or wait until another request did; see ScreenshotWriter.write."""
        waiting, told, lost = Waiting(wait), False, 0
        seen = None if self._insert() else self._look()
        while True:
            if seen is not None and seen.status == "completed":
                return self._already(seen)
            if lost == _LOST_CLAIMS:
                raise self._still(waiting)
            token = self._claim(seen)
            if token is not None:
                self._token = token
                if self._upload(token):
                    return Uploaded(self._shot.id, self._place, self._url)
                lost += 1
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
        is_new = self._rows.insert(self._pending)
        if is_new:
            telling.written(self._shot.id)
        return is_new

    def _look(self) -> Seen | None:
        """Return the row as it is; None: somebody deleted it. Raises IdCollision where it is another event's."""
        differs, seen = self._in_transaction(self._looked)
        if differs:
            raise self._rows.collision(self._identity, differs)
        if seen is None:
            return None
        if seen.status not in (*_STATES, "completed"):
            raise UploadFailed(
                f"the row of {self._shown} has status {visible(seen.status)}, which no upload begins from",
                "`dedupaudit scan --check illegal_state` shows all such rows; then send the picture again",
            )
        return seen

    def _looked(self, connection: Connection) -> tuple[tuple[str, ...] | None, Seen | None]:
        differs = differing(connection, self._table, self._identity, ())
        return differs, claims.look(connection, self._table, self.key, self._tools.lease, tuple(self._written))

    def _look_again(self) -> Seen | None:
        """Return the row; None where it was gone, and this request inserted it anew."""
        seen = self._look()
        return self._look() if seen is None and not self._insert() else seen

    def _claim(self, seen: Seen | None) -> int | None:
        """Try to win the right to upload: the claim's token; None: it is another's."""
        if seen is not None and seen.held:
            return None
        protection, lease = self._rows.protection, self._tools.lease
        token = self._in_transaction(lambda connection: protection.claim(connection, self._table, self.key, lease))
        if token is not None and seen is not None and seen.status != "pending":
            telling.again(self._shot.id)  # it failed, or whoever had it died
        return token

    # ---- the object

    def _upload(self, token: int) -> bool:
        """Put the object, verify it, and complete the row. False: the claim was lost meanwhile."""
        try:
            with self._tools.leases.renewed(self.key, token):
                held = self._put(self._place)
            if held is None:
                raise SourceError(f"{self._tools.store.shown} took it, and has it not", "look into the store")
            if not held:
                raise self._rows.collision(self._identity, ("picture",))
            completed = self._in_transaction(
                lambda connection: claims.complete(connection, self._table, self.key, token, self._written)
            )
        except BaseException as error:
            # After Unavailable nobody knows whether the row is completed; if it is not, its lease ends.
            if not isinstance(error, Unavailable):
                self._give_back(token)
            if (failure := self._failure(error)) is not None:
                raise failure from error
            raise
        if completed:
            telling.upload_done(self._shot.id)
        return completed

    def _put(self, place: str) -> bool | None:
        """Write the object where there is none; then say whether it has this very picture, None: it is not there."""
        shot, store = self._shot, self._tools.store
        is_mine = store.put(place, shot.picture, content_type=shot.content_type, overwrite=False)
        held = store.holds(place, shot.picture)
        if is_mine and held is False:
            # No collision: nothing was there. Whoever sends it again learns what is there to stay.
            raise SourceError(
                f"{store.shown} took it, and has something else",
                "see what else writes there, what stands before it, and whether the bucket keeps versions",
            )
        return held

    def _failure(self, error: BaseException) -> IngestError | None:
        """Return what an upload's error means to the client; None where it is one already, or none of these."""
        if isinstance(error, UsageError):
            # What the store has there today may be the reason, such as a file in a folder's place.
            return self._impossible(error, permanent=False)
        if isinstance(error, SourceError):
            return self._failed("could not be stored", error)
        if isinstance(error, DBAPIError):
            return UploadFailed(f"the row of {self._shown} could not be completed: the database refuses it", _AGAIN)
        return None

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
        columns, store = self._table.table.column, self._tools.store
        place, url = seen.values[columns("oss_key")], seen.values[columns("oss_url")]
        if not place:
            raise UploadFailed(
                f"the row of {self._shown} is completed and names no object",
                "`dedupaudit crosscheck` shows such rows; mark it failed, and send the picture again",
            )
        shot, size = self._shot, seen.values.get(columns("file_size"))
        try:
            held = store.holds(place, shot.picture)
            if held is None and size == len(shot.picture):
                held = self._put(place)
            url = url or store.url(place)  # rows from before the writer may have none
        except SourceError as error:
            raise self._failed("could not be verified", error) from error
        except UsageError as error:
            raise UploadFailed(
                f"the row of {self._shown} is completed and its object cannot be: {error.message}",
                "write the key into the row as the store has it, or mark the row failed; then send the picture again",
            ) from error
        if held is None and size in (None, len(shot.picture)):
            raise UploadFailed(
                f"the row of {self._shown} is completed and its object is gone",
                "`dedupaudit crosscheck` shows such rows; mark it failed, and send the picture again",
            )
        if not held:
            raise self._rows.collision(self._identity, ("picture",))
        if seen.token == self._token:
            # No other claim has this token: this request completed the row, and its COMMIT went unanswered.
            telling.upload_done(shot.id)
            return Uploaded(shot.id, place, url)
        telling.already(shot.id)
        return Uploaded(shot.id, place, url, duplicate=True)

    def _impossible(self, error: UsageError, *, permanent: bool = True) -> Rejected:
        message = f"the picture {self._shown} cannot be an object: {error.message}"
        return Rejected(message, error.hint, permanent=permanent)

    def _failed(self, what: str, error: SourceError) -> UploadFailed:
        # What the store advises is for those who run the backend; the client can only send it again.
        hint = f"{_AGAIN}; where it goes on: {error.hint}" if error.hint else _AGAIN
        return UploadFailed(f"the picture {self._shown} {what}: {error.message}", hint)

    def _still(self, waiting: Waiting) -> StillUploading:
        return StillUploading(
            f"another request uploads {self._shown}, and had not finished after {waiting.waited:.1f} s",
            "send the picture again later: nothing is lost",
            waiting.waited,
        )

    def _in_transaction(self, work: Callable[[Connection], _T]) -> _T:
        return in_transaction(self._rows.engine, work)
