"""`docs/example_backend.py` under real requests: retries, overlaps, conflicts; then the audit looks at what it left."""

from __future__ import annotations

import importlib.util
import io
import json
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import OperationalError

from dedupaudit.ingest import IngestError, Rejected, ScreenshotWriter
from dedupaudit.sources.logs.words import classifier
from dedupaudit.stores import open_store
from tests.conftest import Run
from tests.docs.backend_process import BACKEND, Backend, running_backend
from tests.ingest.databases import Database, Postgresql, create, open_database

CLICK: dict[str, object] = {
    "id": "activity_1766557428498",
    "device_id": "desk-1",
    "type": "click",
    "timestamp": 1,
    "data": {"x": 1},
}
PICTURE = b"\xff\xd8" + bytes(range(256)) * 400


class Scene:
    """A backend with its database, folder and log."""

    def __init__(self, backend: Backend, database: Database, objects: Path, log: Path) -> None:
        self.backend, self.database, self.objects, self.log = backend, database, objects, log


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    database = Postgresql()
    create(database, "target")
    objects, log = tmp_path / "objects", tmp_path / "backend.log"
    objects.mkdir()
    url = database.url.replace("postgresql:", "postgresql+psycopg2:")
    with running_backend(url, objects, log) as backend:
        yield Scene(backend, database, objects, log)
    database.engine.dispose()


def at_once(times: int, send: Callable[[], tuple[int, Any]]) -> list[tuple[int, Any]]:
    """Send one request so many times in the same moment."""
    start = Barrier(times)

    def one(_: int) -> tuple[int, Any]:
        start.wait(10)
        return send()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))


def duplicates(answers: list[tuple[int, Any]]) -> list[bool]:
    assert {status for status, _ in answers} == {200}
    return sorted(said["duplicate"] for _, said in answers)


def test_what_clients_send_again_is_stored_once_and_the_audit_finds_no_damage(scene: Scene, run: Run) -> None:
    backend = scene.backend
    assert backend.event("/activities", CLICK) == (200, {"id": CLICK["id"], "duplicate": False})
    assert backend.event("/activities", CLICK) == (200, {"id": CLICK["id"], "duplicate": True})
    status, said = backend.event("/activities", CLICK | {"data": {"x": 2}})
    assert (status, "data" in str(said["error"])) == (409, True)

    overlap = CLICK | {"id": "activity_1766557428499"}
    assert duplicates(at_once(8, lambda: backend.event("/activities", overlap))) == [False] + [True] * 7
    process = {"id": "process_1", "device_id": "desk-1", "timestamp": 1, "data": ["a"]}
    assert duplicates([backend.event("/processes", process), backend.event("/processes", process)]) == [False, True]

    shots = at_once(8, lambda: backend.picture("screenshot_1766557428498", PICTURE))
    assert duplicates(shots) == [False] + [True] * 7
    assert {said["url"] for _, said in shots} == {"/screenshots/desk-1/screenshot_1766557428498.jpg"}
    assert backend.picture("screenshot_1766557428498", PICTURE[:-1])[0] == 409
    stored = [path for path in scene.objects.rglob("*") if path.is_file()]
    assert [path.read_bytes() for path in stored] == [PICTURE]

    command = ["audit", "--db", scene.database.url, "--objects", f"file://{scene.objects}", "--logs", str(scene.log)]
    done = run(*command, "--grace", "0s", "-f", "json", "--fail-on", "medium")
    assert done.code == 0, done
    report = done.json()
    assert report["complete"] is True
    assert {name for name, count in report["summary"]["by_check"].items() if count} == {"repeated_receive"}
    assert report["summary"]["tables"]["db.activities"]["rows"] == 2
    # Retries are said; whoever lets them fail gets the code of findings.
    assert run(*command, "--grace", "0s", "-q").code == 1


def test_its_log_says_of_every_repeated_receive_that_it_was_skipped(scene: Scene, run: Run) -> None:
    for _ in range(3):
        scene.backend.event("/activities", CLICK)
        scene.backend.picture("screenshot_1", PICTURE)
    done = run("logs", str(scene.log), "-f", "json")
    assert done.code == 1, done
    found = {finding["key"]["id"]: finding for finding in done.json()["findings"]}
    assert found.keys() == {CLICK["id"], "screenshot_1"}
    classify = classifier(lossy=False)
    lines = scene.log.read_bytes().splitlines()
    told = Counter(event for line in lines if b"activity_" in line for event in classify(line))
    assert told == {"receive": 3, "db_write": 1, "idempotent_skip": 2, "response": 3}
    told = Counter(event for line in lines if b"screenshot_" in line for event in classify(line))
    assert told == {"receive": 3, "db_write": 1, "upload_done": 1, "idempotent_skip": 2, "response": 3}


def test_a_list_has_an_outcome_for_each(scene: Scene) -> None:
    backend = scene.backend
    good, other = CLICK | {"id": "activity_1"}, CLICK | {"id": "activity_2"}
    assert backend.event("/activities", [good, other, good])[0] == 200
    status, said = backend.event(
        "/activities", [good, other | {"type": "key"}, good | {"id": "x" * 256}, good | {"id": "nul\0"}]
    )
    assert status == 207
    told = [(one["status"], one.get("duplicate")) for one in said]
    assert told == [(200, True), (409, None), (422, None), (422, None)]
    assert backend.event("/activities", [])[1] == []


class Served:
    """The application itself, on SQLite: a request is a call."""

    def __init__(self, folder: Path) -> None:
        self.database = open_database("sqlite", folder)
        self.objects = folder / "objects"
        self.objects.mkdir()
        spec = importlib.util.spec_from_file_location("example_backend", BACKEND)
        assert spec is not None and spec.loader is not None
        module: Any = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.statuses: dict[type[Exception], int] = module.STATUS
        self.largest: int = module.LARGEST
        self.outcome: Callable[[object], tuple[int, Any]] = module.outcome
        self._module = module
        self.use(self.database.engine)

    def use(self, engine: Engine, wait: float = 30.0) -> None:
        """Let it work with an engine, and wait so many seconds for another's upload."""
        store = open_store(f"file://{self.objects}")
        self.application = self._module.Backend(engine, store)
        writer = ScreenshotWriter(engine, store, wait=wait)
        self.application.routes["/screenshots"] = partial(self._module.screenshot, writer)

    def __call__(
        self, path: str, body: bytes, content_type: str = "application/json", length: int | str | None = None
    ) -> tuple[int, Any]:
        path, _, query = path.partition("?")
        self.headers: dict[str, str] = {}
        statuses = []

        def start_response(status: str, headers: list[tuple[str, str]]) -> None:
            statuses.append(int(status.split()[0]))
            self.headers.update(headers)

        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": content_type,
            "CONTENT_LENGTH": str(len(body) if length is None else length),
            "wsgi.input": io.BytesIO(body),
        }
        said = json.loads(b"".join(self.application(environ, start_response)))
        return statuses[0], said

    def rows(self) -> int:
        tables = ("activities", "processes", "screenshots")
        return sum(self.database.ask(f"SELECT count(*) FROM {table}")[0][0] for table in tables)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path)
    yield made
    made.database.engine.dispose()


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (CLICK | {"id": "half \ud800"}, 422),
        (CLICK | {"id": 5}, 422),
        (CLICK | {"device_id": None}, 422),
        (CLICK | {"device_id": "  "}, 422),
        (CLICK | {"more": 1}, 400),
        ({"id": "activity_1"}, 400),
        ("no object", 400),
        ([[]], 400),
    ],
    ids=ascii,
)
def test_what_can_never_be_stored_is_the_clients_fault(served: Served, event: object, status: int) -> None:
    assert served("/activities", json.dumps(event).encode())[0] == status
    assert served.rows() == 0


@pytest.mark.parametrize(
    ("path", "body", "kind", "status"),
    [
        ("/activities", b"{", "application/json", 400),
        ("/activities", b"[" * 100_000, "application/json", 400),
        ("/nowhere", b"", "application/json", 404),
        ("/screenshots?id=a&device_id=b&timestamp=1", PICTURE, "text/html", 415),
        ("/screenshots?id=a&device_id=b&timestamp=x", PICTURE, "image/jpeg", 400),
        ("/screenshots?id=%ff&device_id=b&timestamp=1", PICTURE, "image/jpeg", 400),
        ("/screenshots?device_id=b&timestamp=1", PICTURE, "image/jpeg", 400),
        ("/screenshots?id=..%2F..%2Fa&device_id=b&timestamp=1", PICTURE, "image/jpeg", 422),
    ],
)
def test_what_is_no_request_is_said(served: Served, path: str, body: bytes, kind: str, status: int) -> None:
    assert served(path, body, kind)[0] == status
    assert served.rows() == 0


SHOT = "/screenshots?id=screenshot_1&device_id=desk-1&timestamp=1"


def test_a_picture_that_ends_early_or_is_too_large_is_not_stored(served: Served) -> None:
    assert served(SHOT, PICTURE[:100], "image/jpeg", len(PICTURE))[0] == 400
    assert served(SHOT, b"", "image/jpeg", served.largest + 1)[0] == 413
    assert served.rows() == 0
    assert served(SHOT, PICTURE, "image/jpeg")[0] == 200


@pytest.mark.parametrize("length", ["", "-1", "many", "٣", "0"])
def test_a_body_whose_length_nobody_told_is_no_empty_picture(served: Served, length: str) -> None:
    """A body in chunks has none: the picture was stored empty, and the real one was a collision ever after."""
    assert served(SHOT, PICTURE, "image/jpeg", length)[0] == 413
    assert served.rows() == 0


def test_a_picture_that_another_request_uploads_is_asked_for_later(served: Served) -> None:
    served.use(served.database.engine, wait=0.0)
    served.database.run(
        "INSERT INTO screenshots (id, device_id, status, timestamp, retry_count, updated_at)"
        " VALUES ('screenshot_1', 'desk-1', 'uploading', 1, 0, strftime('%Y-%m-%d %H:%M:%f', 'now'))"
    )
    assert served(SHOT, PICTURE, "image/jpeg")[0] == 503
    assert served.headers["Retry-After"] == "5"


def test_a_store_that_is_gone_is_a_bad_gateway_and_the_next_request_succeeds(served: Served) -> None:
    served.objects.rename(served.objects.with_name("gone"))
    assert served(SHOT, PICTURE, "image/jpeg")[0] == 502
    assert served.headers["Retry-After"] == "5"
    served.objects.mkdir()
    status, said = served(SHOT, PICTURE, "image/jpeg")
    assert (status, said["duplicate"]) == (200, False)


def test_a_database_that_is_gone_is_said_and_asked_for_later(served: Served) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    served.use(create_engine(f"postgresql+psycopg2://nobody@127.0.0.1:{port}/none"))
    assert served("/activities", json.dumps(CLICK).encode())[0] == 503
    assert served.headers["Retry-After"] == "5"


def test_what_can_be_stored_once_something_else_is_there_is_asked_for_later(served: Served) -> None:
    told = Rejected("m", "h", permanent=False)
    assert [served.outcome(told)[0], served.outcome(Rejected("m", "h"))[0]] == [503, 422]


def test_a_table_without_the_constraint_takes_nothing(served: Served) -> None:
    served.database.run(
        "DROP TABLE activities",
        "CREATE TABLE activities (id text, device_id text, type text, timestamp bigint, data text)",
    )
    status, said = served("/activities", json.dumps(CLICK).encode())
    assert status == 500
    assert said["hint"]
    assert served.rows() == 0


def test_every_answer_of_a_writer_has_a_status(served: Served) -> None:
    assert set(served.statuses) == set(IngestError.__subclasses__())


def test_no_error_ends_the_sweeping(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Writer:
        rounds = 0

        def sweep(self) -> None:
            self.rounds += 1
            raise OperationalError("SELECT …", (), Exception("permission denied")) if self.rounds < 3 else SystemExit

    writer = Writer()
    with pytest.raises(SystemExit):
        Served(tmp_path)._module.sweep(writer, 0)
    assert writer.rounds == 3
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2 and all(line.startswith("a sweep failed: (builtins.Exception) permission") for line in told)
