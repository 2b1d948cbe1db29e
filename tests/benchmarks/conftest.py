"""The benchmarks' sink, loaded from beside the tests; where it is absent, these are skipped."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from zenmail import Email, Mailer

_SERVERS = Path(__file__).parents[2] / "benchmarks" / "servers.py"


class Sink(Protocol):
    """What the tests use of the benchmarks' ``RunningSink``."""

    ports: dict[str, int]

    def counts(self, *, quiet: float | None = None) -> dict[str, int]: ...


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate authority's file; the server's is ``server.pem`` beside it."""
    trustme = pytest.importorskip("trustme")
    folder = tmp_path_factory.mktemp("certificates")
    issuer = trustme.CA()
    issuer.cert_pem.write_to_path(str(folder / "ca.pem"))
    issued = issuer.issue_cert("localhost")
    issued.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    return folder / "ca.pem"


@pytest.fixture
def sink(authority: Path) -> Iterator[Sink]:
    """A running sink that counts."""
    if not _SERVERS.exists():
        pytest.skip("the benchmarks are not beside the tests")
    spec = importlib.util.spec_from_file_location("zenmail_benchmark_servers", _SERVERS)
    assert spec is not None
    assert spec.loader is not None
    servers: Any = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = servers
    spec.loader.exec_module(servers)
    with servers.sink(authority.with_name("server.pem")) as running:
        yield running


@pytest.fixture
def mailer_to(authority: Path) -> Iterator[Callable[[int], Mailer]]:
    """Make mailers to a port, logged in over verified STARTTLS, and close them."""
    made: list[Mailer] = []

    def make(port: int) -> Mailer:
        options = {
            "host": "localhost",
            "port": port,
            "security": "starttls",
            "username": "user",
            "password": "not-a-secret",
            "ca_file": str(authority),
        }
        made.append(Mailer("smtp", options=options, deadline=60.0))
        return made[-1]

    yield make
    for mailer in made:
        mailer.close()


@pytest.fixture
def email() -> Callable[..., Email]:
    """Make ordinary mails: some kilobytes of text and HTML."""

    def make(number: int = 0, **changes: Any) -> Email:
        text = "\n".join(f"{line}: the step failed, and more about it" for line in range(40))
        values: dict[str, Any] = {
            "sender": "Alerts <alerts@example.com>",
            "to": ["oncall@example.com"],
            "subject": f"Step failed {number}",
            "text": text,
            "html": f"<html lang='en'><body><pre>{text}</pre></body></html>",
        }
        return Email(**{**values, **changes})

    return make
