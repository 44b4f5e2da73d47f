"""One private server of each kind for all the tests of a worker, started when the first test asks for it."""

from __future__ import annotations

import atexit
from functools import cache

import pytest

from tests.servers.mariadb import MariadbServer
from tests.servers.postgresql import PostgresqlServer
from tests.servers.redis import RedisServer


@cache
def shared_postgresql() -> PostgresqlServer:
    """Return this process's server; it ends with the process."""
    server = PostgresqlServer()
    atexit.register(server.close)
    return server


@cache
def shared_mariadb() -> MariadbServer:
    """Return this process's server; it ends with the process."""
    server = MariadbServer()
    atexit.register(server.close)
    return server


@cache
def shared_redis() -> RedisServer:
    """Return this process's server; it ends with the process."""
    server = RedisServer()
    atexit.register(server.close)
    return server


@pytest.fixture(scope="session")
def postgresql() -> PostgresqlServer:
    """Return a running PostgreSQL that tests share: make databases and roles of your own, and never stop it."""
    return shared_postgresql()


@pytest.fixture(scope="session")
def mariadb() -> MariadbServer:
    """Return a running MariaDB that tests share: make databases and users of your own, and never stop it."""
    return shared_mariadb()


@pytest.fixture(scope="session")
def redis() -> RedisServer:
    """Return a running Redis that tests share: use keys of your own (a random prefix), and never stop it."""
    return shared_redis()
