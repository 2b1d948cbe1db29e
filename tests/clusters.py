"""A PostgreSQL server for the tests that need one."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


class Cluster:
    """A PostgreSQL cluster of the tests' own, on a port of the loopback interface."""

    def __init__(self, binaries: Path, folder: Path, user: str | None) -> None:
        self._binaries = binaries
        self._folder = folder
        self._user = user
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._run("initdb", "-D", str(folder / "data"), "-U", "tests", "-A", "trust", "-N")
        (folder / "data" / "postgresql.auto.conf").write_text(
            f"port = {self._port}\nlisten_addresses = '127.0.0.1'\n"
            # It is killed, the machine is not: no need to sync all databases at its start.
            "unix_socket_directories = ''\nmax_connections = 60\nfsync = off\n"
        )
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._binaries / program), *arguments],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            user=self._user,
            timeout=120,
        )

    def start(self) -> None:
        data, log = str(self._folder / "data"), str(self._folder / "log")
        self._run("pg_ctl", "-D", data, "-l", log, "-w", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-m", "immediate", "stop")

    def kill(self) -> None:
        """Kill the server as the kernel would."""
        lines = (self._folder / "data" / "postmaster.pid").read_text().splitlines()
        os.kill(int(lines[0]), signal.SIGKILL)

    def restart(self) -> None:
        """Start the server that was killed, as soon as what is left of it has gone."""
        give_up = time.monotonic() + 30
        while True:
            try:
                return self.start()
            except subprocess.CalledProcessError:
                if time.monotonic() > give_up:
                    raise
            time.sleep(0.1)

    def url(self) -> str:
        """Return the URL of a database that is new."""
        name = f"t{secrets.token_hex(6)}"
        at = ["-h", "127.0.0.1", "-p", str(self._port), "-U", "tests"]
        self._run("createdb", *at, name)
        return f"postgresql://tests@127.0.0.1:{self._port}/{name}"


def _binaries() -> Path | None:
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Start a PostgreSQL cluster."""
    pytest.importorskip("psycopg")
    binaries = _binaries()
    if binaries is None:
        pytest.skip("needs PostgreSQL's programs")
    user = "nobody" if os.getuid() == 0 else None
    # The server runs as nobody, who cannot enter pytest's folders or those of tox.
    place = "/tmp" if user is not None else None
    folder = Path(tempfile.mkdtemp(prefix="zenmail-postgres-", dir=place))
    folder.chmod(0o755)
    if user is not None:
        shutil.chown(folder, user)
    try:
        cluster = Cluster(binaries, folder, user)
        yield cluster
        with contextlib.suppress(subprocess.SubprocessError):
            cluster.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
