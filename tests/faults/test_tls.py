"""TLS, by the options of each driver in the URL: demanded and not offered, a certificate that is verified or is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.reading import report_of
from tests.conftest import Completed, Run
from tests.faults.certificates import Certificates
from tests.faults.targets import LOGIN, AnyTarget, Postgresql, url
from tests.faults.test_unreachable import refused


def scan(run: Run, target: AnyTarget, **options: str) -> Completed:
    return run("scan", "--db", url(target, options=options), "-f", "json")


def demanded(target: AnyTarget) -> dict[str, str]:
    return {"sslmode": "require"} if isinstance(target, Postgresql) else {"ssl_mode": "REQUIRED"}


def verified(target: AnyTarget, authority: Path | None, *, host: bool = True) -> dict[str, str]:
    """Return the options that verify the server's certificate by this authority, and its host name."""
    if isinstance(target, Postgresql):
        options = {"sslmode": "verify-full" if host else "verify-ca"}
        return options | ({"sslrootcert": str(authority)} if authority else {})
    options = {"ssl_mode": "VERIFY_IDENTITY" if host else "VERIFY_CA"}
    return options | ({"ssl_ca": str(authority)} if authority else {})


def complete(done: Completed) -> None:
    assert report_of(done)["complete"], done.err
    assert done.code == 1


def encrypted_only(target: AnyTarget) -> None:
    """Have the server refuse the login where it comes without TLS."""
    if not isinstance(target, Postgresql):
        target.execute(f"ALTER USER {LOGIN} REQUIRE SSL")


def test_demanded_and_not_offered(run: Run, target: AnyTarget) -> None:
    refused(scan(run, target, **demanded(target)), "TLS", "the server does not offer it")


def test_demanded_and_offered(run: Run, strict: AnyTarget) -> None:
    encrypted_only(strict)
    complete(scan(run, strict, **demanded(strict)))


def test_a_self_signed_certificate_is_not_trusted_by_itself(run: Run, strict: AnyTarget) -> None:
    refused(scan(run, strict, **verified(strict, None)), "certificate", "ca.pem")


def test_nor_by_the_certificate_of_somebody_else(run: Run, strict: AnyTarget, certificates: Certificates) -> None:
    done = scan(run, strict, **verified(strict, certificates.stranger))
    refused(done, "certificate", "ca.pem")


@pytest.mark.parametrize("host", [True, False])
def test_the_file_that_names_it_makes_it_trusted(
    run: Run, strict: AnyTarget, certificates: Certificates, host: bool
) -> None:
    encrypted_only(strict)
    complete(scan(run, strict, **verified(strict, certificates.trusted, host=host)))


def test_a_certificate_for_another_host_is_refused_and_accepted_without_the_name(
    run: Run, strict: AnyTarget, certificates: Certificates
) -> None:
    options = verified(strict, certificates.trusted)
    done = run("scan", "--db", url(strict, host="localhost", options=options), "-f", "json")
    refused(done, "certificate")
    options = verified(strict, certificates.trusted, host=False)
    complete(run("scan", "--db", url(strict, host="localhost", options=options), "-f", "json"))


def test_a_file_of_authorities_that_does_not_exist(run: Run, strict: AnyTarget, tmp_path: Path) -> None:
    done = scan(run, strict, **verified(strict, tmp_path / "nowhere.pem"))
    assert done.code in (2, 3)
    assert b"certificate" in done.err
    assert b"defect" not in done.err


def test_a_mode_that_does_not_exist(run: Run, strict: AnyTarget) -> None:
    option = "sslmode" if isinstance(strict, Postgresql) else "ssl_mode"
    done = scan(run, strict, **{option: "perhaps"})
    assert done.code in (2, 3)
    assert option.encode() in done.err
    assert b"defect" not in done.err
