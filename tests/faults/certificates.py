"""A certificate that nobody has signed but itself, for a server that offers TLS."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.launching import account


@dataclass(frozen=True)
class Certificates:
    """`trusted` is what a client verifies the server by; `stranger` is a certificate of somebody else."""

    trusted: Path
    stranger: Path
    key: Path

    def readable_to(self, user: str) -> tuple[Path, Path]:
        """Return certificate and key as files that a server under this user's name accepts."""
        key = self.key.with_name(f"{user}.key")
        shutil.copyfile(self.key, key)
        key.chmod(0o600)
        owner = account(user)
        if owner:
            os.chown(key, owner.pw_uid, owner.pw_gid)
        return self.trusted, key


@contextmanager
def certificates_for(address: str) -> Iterator[Certificates]:
    """Make certificates in a folder that every user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="dedupaudit-tls-"))
    folder.chmod(0o755)
    try:
        for name in ("server", "stranger"):
            words = (
                f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={name} -keyout {name}.key -out {name}.pem"
            )
            subprocess.run(
                [
                    *words.split(),
                    "-addext",
                    f"subjectAltName=IP:{address}",
                    *f"-keyout {name}.key -out {name}.pem".split(),
                ],
                cwd=folder,
                capture_output=True,
                check=True,
            )
            (folder / f"{name}.pem").chmod(0o644)
        yield Certificates(folder / "server.pem", folder / "stranger.pem", folder / "server.key")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
