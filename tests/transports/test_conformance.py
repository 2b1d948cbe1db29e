"""zenmail's own transports, tested with the suite that it gives to everybody else."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from zenmail.testing import Arrived, SMTPServer, TransportConformance

pytestmark = pytest.mark.extras


@pytest.fixture
def nobody_listens() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        return int(unused.getsockname()[1])


@pytest.fixture
def silence() -> Iterator[int]:
    """Return a port where connections are taken, and never a byte is answered."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


class TestSMTP(TransportConformance):
    """The SMTP transport, over STARTTLS and with a login."""

    transport = "smtp"

    @pytest.fixture
    def server(self) -> Iterator[SMTPServer]:
        """Return a server with TLS and a login."""
        with SMTPServer(users={"alerts": "canary-password-7f3a"}) as server:
            yield server

    @pytest.fixture
    def options(self, server: SMTPServer) -> dict[str, Any]:
        """Return the way to the server."""
        return server.options(username="alerts", password="canary-password-7f3a")

    @pytest.fixture
    def arrived(self, server: SMTPServer) -> Callable[[], list[Arrived]]:
        """Return what returns the server's mails."""
        return lambda: [
            Arrived(mail.content, mail.recipients, mail.sender) for mail in server.mails
        ]

    @pytest.fixture
    def refuse(self, server: SMTPServer) -> Callable[[str], None]:
        """Return what makes the server refuse an address."""
        return lambda address: server.on("rcpt", "550 5.1.1 No such user", matching=address)

    @pytest.fixture
    def hang(self, options: dict[str, Any], silence: int) -> Callable[[], None]:
        """Return what leads to a port that does not answer."""
        return lambda: options.update(port=silence)

    @pytest.fixture
    def unreachable(self, options: dict[str, Any], nobody_listens: int) -> dict[str, Any]:
        """Return options with a port that nobody listens on."""
        return {**options, "port": nobody_listens}


class TestSES(TransportConformance):
    """The Amazon SES transport, to moto's server."""

    transport = "ses"

    @pytest.fixture(autouse=True)
    def _needs_boto3(self) -> None:
        pytest.importorskip("boto3")

    @pytest.fixture
    def options(self, ses: Any) -> dict[str, Any]:
        """Return the way to the server."""
        return {**ses.options, "session_token": "canary-session-8a9b/+=="}

    @pytest.fixture
    def arrived(self, ses: Any) -> Callable[[], list[Arrived]]:
        """Return what returns the server's mails."""
        return lambda: [
            Arrived(mail["raw_data"].encode(), mail["destinations"], mail["source"])
            for mail in ses.messages()
        ]

    @pytest.fixture
    def hang(self, options: dict[str, Any], silence: int) -> Callable[[], None]:
        """Return what leads to a port that does not answer."""
        return lambda: options.update(endpoint_url=f"http://127.0.0.1:{silence}")

    @pytest.fixture
    def unreachable(self, options: dict[str, Any], nobody_listens: int) -> dict[str, Any]:
        """Return options with a port that nobody listens on."""
        return {**options, "endpoint_url": f"http://127.0.0.1:{nobody_listens}"}


class TestGraph(TransportConformance):
    """The Microsoft Graph transport, to a server that speaks the documented API."""

    transport = "graph"
    attachment_bytes = 2_200_000  # 4 MB once it is encoded as MIME, and that as base64

    @pytest.fixture
    def options(self, graph: Any) -> dict[str, Any]:
        """Return the way to the server."""
        options: dict[str, Any] = graph.options()
        return options

    @pytest.fixture
    def arrived(self, graph: Any) -> Callable[[], list[Arrived]]:
        """Return what returns the mails as Exchange delivers them."""
        return lambda: [
            Arrived(mail.delivered, mail.recipients, mail.mailbox) for mail in graph.mails
        ]

    @pytest.fixture
    def refuse(self, graph: Any) -> Callable[[str], None]:
        """Return what makes an address one that is not valid."""
        added: Callable[[str], None] = graph.invalid.add
        return added

    @pytest.fixture
    def hang(self, graph: Any) -> Callable[[], None]:
        """Return what keeps the server's answers back."""
        held: Callable[[], None] = graph.hold.clear
        return held

    @pytest.fixture
    def unreachable(self, options: dict[str, Any], nobody_listens: int) -> dict[str, Any]:
        """Return options with a port that nobody listens on."""
        return {**options, "endpoint": f"https://localhost:{nobody_listens}/v1.0"}


class TestFile(TransportConformance):
    """The file transport, in both formats."""

    transport = "file"

    @pytest.fixture(params=["eml", "maildir"])
    def kind(self, request: pytest.FixtureRequest) -> str:
        """Return a format."""
        return str(request.param)

    @pytest.fixture
    def options(self, kind: str, tmp_path: Path) -> dict[str, Any]:
        """Return a folder."""
        return {"folder": str(tmp_path / "out"), "format": kind}

    @pytest.fixture
    def arrived(self, tmp_path: Path) -> Callable[[], list[Arrived]]:
        """Return what returns the files."""

        def read() -> list[Arrived]:
            files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
            return [Arrived(path.read_bytes()) for path in sorted(files)]

        return read

    @pytest.fixture
    def unreachable(self, kind: str, tmp_path: Path) -> dict[str, Any]:
        """Return a folder that is none."""
        (tmp_path / "taken").write_text("")
        return {"folder": str(tmp_path / "taken"), "format": kind}


class TestConsole(TransportConformance):
    """The console transport, whose other end is the terminal."""

    transport = "console"
    sends_mail = False

    @pytest.fixture
    def options(self) -> dict[str, Any]:
        """Return no options."""
        return {}

    @pytest.fixture
    def arrived(self, capfd: pytest.CaptureFixture[str]) -> Callable[[], list[Arrived]]:
        """Return what returns the mails that were printed."""
        shown: list[Arrived] = []

        def read() -> list[Arrived]:
            for part in capfd.readouterr().out.split("\nEnvelope: ")[1:]:
                sender, _, recipients = part.partition("\n")[0].partition(" -> ")
                shown.append(Arrived(part.encode(), recipients.split(", "), sender))
            return shown

        return read
