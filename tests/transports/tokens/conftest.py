from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import trustme

from zenmail import AccessToken, Deadline, PluginHost, TokenRequest


class TokenEndpoint(ThreadingHTTPServer):
    """An OAuth 2 token endpoint that answers from a script.

    Attributes:
        answers: Status and JSON of each answer to come; the last one stays.
        forms: What was posted, each form as a dict.
        hold: Clear it to keep every answer back until it is set.
    """

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[tuple[int, Any]] = []
        self.forms: list[dict[str, str]] = []
        self.hold = threading.Event()
        self.hold.set()
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        scheme = "https" if context else "http"
        self.url = f"{scheme}://localhost:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Let clients hang up without a word."""


class _Handler(BaseHTTPRequestHandler):
    @property
    def endpoint(self) -> TokenEndpoint:
        """What it belongs to."""
        assert isinstance(self.server, TokenEndpoint)
        return self.server

    def do_GET(self) -> None:
        """Describe the endpoint, as OpenID Connect Discovery has it."""
        base = f"{self.endpoint.url}/tenant"
        self._answer(
            200,
            {
                "issuer": f"{base}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
            },
        )

    def do_POST(self) -> None:
        """Give the next answer."""
        length = int(self.headers["Content-Length"])
        form = parse_qs(self.rfile.read(length).decode())
        self.endpoint.forms.append({name: values[0] for name, values in form.items()})
        self.endpoint.hold.wait()
        answers = self.endpoint.answers
        self._answer(*(answers.pop(0) if len(answers) > 1 else answers[0]))

    def _answer(self, status: int, content: Any) -> None:
        body = content.encode() if isinstance(content, str) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Print nothing."""


@pytest.fixture
def fetch(request: pytest.FixtureRequest) -> Callable[..., AccessToken]:
    """Return what asks the installed source, which the module names, for a token."""

    def ask(options: dict[str, Any], *, seconds: float = 10.0) -> AccessToken:
        asked = TokenRequest(
            account="alerts@example.com",
            scopes=(),
            deadline=Deadline.after(seconds),
            options=options,
        )
        return PluginHost().fetch_token(request.module.SOURCE, asked)

    return ask


@pytest.fixture
def serve() -> Iterator[Callable[..., TokenEndpoint]]:
    """Return what starts a token endpoint."""
    running: list[tuple[TokenEndpoint, threading.Thread]] = []

    def start(context: ssl.SSLContext | None = None) -> TokenEndpoint:
        server = TokenEndpoint(context)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((server, thread))
        return server

    yield start
    for server, thread in running:
        server.hold.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def endpoint(serve: Callable[..., TokenEndpoint]) -> TokenEndpoint:
    """Return a token endpoint without TLS."""
    return serve()


@pytest.fixture
def tls_endpoint(
    serve: Callable[..., TokenEndpoint], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> TokenEndpoint:
    """Return a token endpoint with TLS that this process trusts."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    return serve(context)
