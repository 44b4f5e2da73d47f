"""A backend that does not duplicate, on the standard library's web server: `python example_backend.py`.

In the environment: DATABASE_URL (SQLAlchemy's), OBJECTS_URL (oss://bucket and OSS_ENDPOINT, or file:///dir), LOG_FILE
for `dedupaudit logs`, PORT. In a framework, `answer` is the error handler, and the functions below it are handlers.
"""

import json
import logging
import os
import threading
from functools import partial
from http import HTTPStatus
from socketserver import ThreadingMixIn
from urllib.parse import parse_qsl
from wsgiref.simple_server import WSGIServer, make_server

from sqlalchemy import create_engine

from dedupaudit import ingest
from dedupaudit.stores import open_store

STATUS = {ingest.IdCollision: 409, ingest.Rejected: 422, ingest.Unprotected: 500}
STATUS |= {ingest.UploadFailed: 502, ingest.StillUploading: 503, ingest.Unavailable: 503}
LARGEST = 20_000_000


class Backend:
    """The WSGI application. Its threads share the writers."""

    def __init__(self, engine, store):
        self.screenshots = ingest.ScreenshotWriter(engine, store)
        self.routes = {
            "/activities": partial(events, ingest.Activity, ingest.ActivityWriter(engine)),
            "/processes": partial(events, ingest.Process, ingest.ProcessWriter(engine)),
            "/screenshots": partial(screenshot, self.screenshots),
        }

    def __call__(self, environ, start_response):
        """Answer one request."""
        status, said = self.answer(environ)
        later = [("Retry-After", "5")] if status in (502, 503) else []
        start_response(f"{status} {HTTPStatus(status).phrase}", [("Content-Type", "application/json"), *later])
        for one in said if isinstance(said, list) else [said]:
            if "duplicate" in one:
                ingest.telling.answered(one["id"])
        return [json.dumps(said).encode()]

    def answer(self, environ):
        """Return the status and what is said."""
        if environ["REQUEST_METHOD"] != "POST" or environ["PATH_INFO"] not in self.routes:
            return 404, {"error": f"POST to one of {', '.join(self.routes)}"}
        said = environ.get("CONTENT_LENGTH") or ""  # a body in chunks has none, and would be read as an empty picture
        if not (said.isascii() and said.isdigit()) or not 0 < (length := int(said[:20])) <= LARGEST:
            return 413, {"error": f"a Content-Length of 1 to {LARGEST:,} bytes is needed"}
        if len(body := environ["wsgi.input"].read(length)) < length:  # a part of a picture is not the picture
            return 400, {"error": "the body ends early"}
        try:
            return self.routes[environ["PATH_INFO"]](environ, body)
        except ingest.IngestError as error:
            return outcome(error)


def events(kind, writer, environ, body):
    """Store one event, or a list of them with an outcome for each."""
    try:
        sent = json.loads(body)
        batch = [kind(**one) for one in (sent if isinstance(sent, list) else [sent])]
    except (ValueError, TypeError, RecursionError):
        return 400, {"error": f"this is no JSON of the fields of {kind.__name__}"}
    if not isinstance(sent, list):
        return outcome(writer.write(batch[0]))
    outcomes = zip(batch, map(outcome, writer.write_batch(batch)), strict=True)
    said = [{"id": event.id, "status": status} | of_one for event, (status, of_one) in outcomes]
    return 200 if all(one["status"] == 200 for one in said) else 207, said


def screenshot(writer, environ, body):
    """Store a picture, whose ID, device and time are in the query."""
    if (kind := environ.get("CONTENT_TYPE")) not in ("image/jpeg", "image/png", "image/webp"):
        return 415, {"error": "send a picture, and say by Content-Type of which kind"}
    try:
        sent = dict(parse_qsl(environ["QUERY_STRING"], keep_blank_values=True, errors="strict"))
        shot = ingest.Screenshot(sent["id"], sent["device_id"], int(sent["timestamp"]), body, kind)
    except (KeyError, ValueError):
        return 400, {"error": "the query needs id, device_id and timestamp"}
    return outcome(writer.write(shot))


def outcome(told):
    """Return the status and what is said of one event, whether a writer returned or raised it."""
    if isinstance(told, ingest.IngestError):
        status = STATUS[type(told)] if getattr(told, "permanent", True) else 503
        return status, {"error": told.message, "hint": told.hint}
    return 200, {"id": told.id, "duplicate": told.duplicate} | ({"url": told.url} if hasattr(told, "url") else {})


class Server(ThreadingMixIn, WSGIServer):
    """A thread for each request."""


def sweep(writer, every):
    """Take back, for ever, what crashed uploads left behind."""
    while not threading.Event().wait(every):
        try:
            writer.sweep()
        except Exception as error:  # whatever it was, this must not have been the last sweep
            ingest.telling.LOGGER.warning("a sweep failed: %s", ingest.telling.Why(error))


if __name__ == "__main__":
    log = logging.FileHandler(os.environ.get("LOG_FILE", "backend.log"), encoding="utf-8")
    log.setFormatter(ingest.LogFormatter())
    logging.basicConfig(handlers=[log], level=logging.INFO)
    store = open_store(os.environ["OBJECTS_URL"], endpoint=os.environ.get("OSS_ENDPOINT"))
    store.preflight("screenshots/")
    backend = Backend(create_engine(os.environ["DATABASE_URL"], pool_size=20), store)
    threading.Thread(target=sweep, args=(backend.screenshots, 60), daemon=True).start()
    with make_server("127.0.0.1", int(os.environ.get("PORT", "8000")), backend, Server) as server:
        logging.info("listening on port %d", server.server_port)
        server.serve_forever()
