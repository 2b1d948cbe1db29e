"""The suite that zenmail has for transports, and what it does for this one."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from zenmail import Email, Mailer, Redirect, Retry
from zenmail.testing import Arrived, TransportConformance

TOKEN = "canary-webhook-token-3e77"


class Endpoint(ThreadingHTTPServer):
    """What the mails are posted to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.calls: list[dict[str, Any]] = []
        self.refused: dict[str, str] = {}
        self.silent = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/mails"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Let clients hang up without a word."""


class _Handler(BaseHTTPRequestHandler):
    @property
    def endpoint(self) -> Endpoint:
        """What it belongs to."""
        assert isinstance(self.server, Endpoint)
        return self.server

    def do_POST(self) -> None:
        """Take a mail."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        while self.endpoint.silent.is_set():
            threading.Event().wait(0.05)
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self.send_response(401)
            self.end_headers()
            return
        call = json.loads(body)
        refused = {
            name: reason
            for name, reason in self.endpoint.refused.items()
            if name in call["recipients"]
        }
        call["recipients"] = [name for name in call["recipients"] if name not in refused]
        self.endpoint.calls.append(call)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"refused": refused}).encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Print nothing."""


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """Return a running endpoint."""
    server = Endpoint()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.silent.clear()
    server.shutdown()
    thread.join()
    server.server_close()


class TestWebhook(TransportConformance):
    """The transport does what every transport has to do."""

    transport = "webhook"

    @pytest.fixture
    def options(self, endpoint: Endpoint) -> dict[str, Any]:
        """Return the way to the endpoint."""
        return {"url": endpoint.url, "token": TOKEN}

    @pytest.fixture
    def arrived(self, endpoint: Endpoint) -> Callable[[], list[Arrived]]:
        """Return what returns the mails that were posted."""
        return lambda: [
            Arrived(base64.b64decode(call["mail"]), call["recipients"], call["sender"])
            for call in endpoint.calls
        ]

    @pytest.fixture
    def refuse(self, endpoint: Endpoint) -> Callable[[str], None]:
        """Return what makes the endpoint refuse an address."""
        return lambda address: endpoint.refused.update({address: "No such user."})

    @pytest.fixture
    def hang(self, endpoint: Endpoint) -> Callable[[], None]:
        """Return what makes the endpoint fall silent."""
        return endpoint.silent.set

    @pytest.fixture
    def unreachable(self) -> dict[str, Any]:
        """Return options with a port that nobody listens on."""
        with socket.create_server(("127.0.0.1", 0)) as unused:
            port = unused.getsockname()[1]
        return {"url": f"http://127.0.0.1:{port}/", "token": TOKEN}


def make_email(**changes: Any) -> Email:
    """Return a mail."""
    values: dict[str, Any] = {"sender": "a@example.com", "to": "b@example.com", "subject": "s"}
    return Email(**{**values, **changes})


def test_the_redirect_holds(endpoint: Endpoint) -> None:
    """In staging nobody but the redirect's target gets mail, whatever the transport does."""
    options = {"url": endpoint.url, "token": TOKEN}
    with Mailer("webhook", options=options, redirect=Redirect("staging@example.com")) as mailer:
        receipt = mailer.send(make_email(bcc="hidden@example.com"))
    assert receipt.outcome == "delivered"
    assert [call["recipients"] for call in endpoint.calls] == [["staging@example.com"]]


def test_a_wrong_token_is_permanent(endpoint: Endpoint) -> None:
    """The receipt says what to correct, and not what was wrong."""
    options = {"url": endpoint.url, "token": "canary-wrong-password-0c6e"}
    with Mailer("webhook", options=options) as mailer:
        receipt = mailer.send(make_email())
    assert receipt.outcome == "refused"
    assert receipt.attempts == 1
    assert "token" in receipt.remedy
    assert "canary" not in repr(receipt)


def test_it_can_be_a_fallback(endpoint: Endpoint) -> None:
    """When SMTP is out of reach, the webhook gets the mail."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    fallback = ("webhook", {"url": endpoint.url, "token": TOKEN})
    with Mailer(
        "smtp",
        options={"host": "127.0.0.1", "port": port, "security": "none"},
        fallbacks=[fallback],
        deadline=10.0,
        retry=Retry(max_attempts=1),
    ) as mailer:
        receipt = mailer.send(make_email())
    assert receipt.outcome == "delivered"
    assert receipt.transport == "webhook"
