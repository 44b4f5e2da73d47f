"""The servers that faults happen to: shared ones that stay whole, and ones of a test's own that may be killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.launching import with_checkout
from tests.faults.certificates import Certificates, certificates_for
from tests.faults.targets import AnyTarget, Mariadb, Postgresql, fill
from tests.servers.fixtures import shared_mariadb, shared_postgresql
from tests.servers.mariadb import MariadbServer
from tests.servers.postgresql import PostgresqlServer

SERVERS = ("postgresql", "mariadb")


@pytest.fixture(params=SERVERS)
def target(request: pytest.FixtureRequest) -> AnyTarget:
    """Return a server with fresh tables that hold duplicates."""
    made = Postgresql(shared_postgresql()) if request.param == "postgresql" else Mariadb(shared_mariadb())
    made.setup()
    fill(made)
    return made


@pytest.fixture
def postgres() -> Postgresql:
    made = Postgresql(shared_postgresql())
    made.setup()
    fill(made)
    return made


@pytest.fixture
def maria() -> Mariadb:
    made = Mariadb(shared_mariadb())
    made.setup()
    fill(made)
    return made


@pytest.fixture(params=SERVERS)
def mortal(request: pytest.FixtureRequest) -> Iterator[AnyTarget]:
    """Return a server of the test's own, with fresh tables that hold duplicates: it may be killed."""
    made: AnyTarget
    with PostgresqlServer() if request.param == "postgresql" else MariadbServer() as server:
        made = Postgresql(server) if isinstance(server, PostgresqlServer) else Mariadb(server)
        made.setup()
        fill(made)
        yield made


@pytest.fixture(scope="session")
def certificates() -> Iterator[Certificates]:
    with certificates_for("127.0.0.1") as made:
        yield made


@pytest.fixture(scope="session")
def strict_postgresql(certificates: Certificates) -> Iterator[Postgresql]:
    """Return a PostgreSQL that asks for passwords and offers TLS."""
    certificate, key = certificates.readable_to("postgres")
    settings = {"ssl": "on", "ssl_cert_file": str(certificate), "ssl_key_file": str(key)}
    with PostgresqlServer(auth="scram-sha-256", settings=settings) as server:
        yield Postgresql(server)


@pytest.fixture(scope="session")
def strict_mariadb(certificates: Certificates) -> Iterator[Mariadb]:
    """Return a MariaDB that offers TLS."""
    certificate, key = certificates.readable_to("mysql")
    with MariadbServer(settings={"ssl-cert": str(certificate), "ssl-key": str(key)}) as server:
        yield Mariadb(server)


@pytest.fixture(params=SERVERS)
def strict(request: pytest.FixtureRequest) -> AnyTarget:
    """Return a server that asks for passwords and offers TLS, with fresh tables that hold duplicates."""
    made: AnyTarget = request.getfixturevalue(f"strict_{request.param}")
    made.setup()
    fill(made)
    return made


@pytest.fixture
def env(clean_env: dict[str, str]) -> dict[str, str]:
    return with_checkout(clean_env)


@pytest.fixture
def spill(tmp_path: Path) -> Path:
    """Return an empty folder for TMPDIR."""
    folder = tmp_path / "spill"
    folder.mkdir()
    return folder
