"""What an idempotent writer can answer other than "stored". Each has a message and a hint; no payload is in them."""

from __future__ import annotations


class IngestError(Exception):
    """A writer's refusal or failure: what happened, and what to do next."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        """Let it travel between processes, whatever its constructor takes."""
        return _restored, (type(self), self.args, self.__dict__)


class Rejected(IngestError):
    """The event cannot be stored as it is: an ID too long for its column, no device. Nothing was written.

    `permanent` is False where it can once something else is there: the row that it refers to (a foreign key), the
    partition that it belongs to, a default for a column that no event fills, a connection that speaks UTF-8. Then to
    send it again later is right.
    """

    def __init__(self, message: str, hint: str = "", *, permanent: bool = True) -> None:
        super().__init__(message, hint)
        self.permanent = permanent


class IdCollision(IngestError):
    """Another event has this ID already: nothing was written, and to answer "success" would lose this one.

    `key` is the key that was sent; `differs` names the columns (or `picture`) that are not as they are stored.
    """

    def __init__(self, message: str, hint: str, key: tuple[object, ...], differs: tuple[str, ...]) -> None:
        super().__init__(message, hint)
        self.key = key
        self.differs = differs


class Unprotected(IngestError):
    """The table has not what the protection needs, such as a unique constraint on the key."""


class StillUploading(IngestError):
    """Another request uploads this picture and had not finished when the wait was over: ask again, nothing is lost."""

    def __init__(self, message: str, hint: str, waited: float) -> None:
        super().__init__(message, hint)
        self.waited = waited


class UploadFailed(IngestError):
    """The picture could not be put into the object store: its row says `failed`; the client has to send it again."""


class Unavailable(IngestError):
    """The database cannot be reached, or gave up again and again: whether the event is stored is open."""


def _restored(kind: type[IngestError], args: tuple[object, ...], state: dict[str, object]) -> IngestError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error
