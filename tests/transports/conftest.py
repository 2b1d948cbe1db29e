from __future__ import annotations

import base64
import json
import re
import ssl
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes, message_from_string
from email.utils import getaddresses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import pytest
import trustme


class MotoSES:
    """moto's Amazon SES, over HTTP."""

    def __init__(self, endpoint: str, canaries: dict[str, str]) -> None:
        self.endpoint = endpoint
        self.options = {
            "region": "eu-west-1",
            "access_key_id": canaries["AWS key"],
            "secret_access_key": canaries["AWS secret"],
            "endpoint_url": endpoint,
        }

    def client(self) -> Any:
        """Return a client of boto3's own, which logs its keys."""
        import boto3

        return boto3.client(
            "sesv2",
            region_name="eu-west-1",
            endpoint_url=self.endpoint,
            aws_access_key_id="own",
            aws_secret_access_key="own",
        )

    def messages(self) -> list[dict[str, Any]]:
        """Return what was sent: id, source, destinations and raw_data of each mail."""
        from moto.ses.models import ses_backends

        found = []
        for message in ses_backends["123456789012"]["eu-west-1"].sent_messages:
            headers = message_from_string(message.raw_data)
            shown = getaddresses([headers.get("To", ""), headers.get("Cc", "")])
            # moto adds the addresses in the headers to the envelope's; SES does not.
            added = len([address for _, address in shown if address])
            told = message.destinations[: len(message.destinations) - added]
            found.append(
                {
                    "id": message.id,
                    "source": message.source,
                    "destinations": told,
                    "raw_data": message.raw_data,
                }
            )
        return found


@pytest.fixture(scope="session")
def moto_endpoint() -> Iterator[str]:
    """Address of moto's server, in a thread of this process."""
    pytest.importorskip("moto")
    pytest.importorskip("boto3")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def ses(moto_endpoint: str, canaries: dict[str, str]) -> MotoSES:
    """Amazon SES without mails, where example.com may send."""
    request = urllib.request.Request(f"{moto_endpoint}/moto-api/reset", method="POST")
    with urllib.request.urlopen(request, timeout=10):
        pass
    server = MotoSES(moto_endpoint, canaries)
    client = server.client()
    client.create_email_identity(EmailIdentity="example.com")
    client.create_email_identity(EmailIdentity="alerts@example.com")
    client.close()
    return server


def jwt(**claims: Any) -> str:
    """Return an access token that is not signed."""
    parts = ({"alg": "none"}, claims)
    coded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in parts]
    return ".".join([*(part.rstrip("=") for part in coded), "canary-signature"])


@dataclass(frozen=True)
class GraphMail:
    """A mail that Graph took.

    Attributes:
        mailbox: Whose it is.
        given: The mail as it was handed over.
        recipients: Who its headers name.
        connection: The client's port of the connection that brought it.
    """

    mailbox: str
    given: bytes
    recipients: list[str]
    connection: int

    @property
    def delivered(self) -> bytes:
        """The mail as Exchange delivers it, without Bcc."""
        return re.sub(rb"(?im)^bcc:.*\r\n(?:[ \t].*\r\n)*", b"", self.given, count=1)


class GraphServer(ThreadingHTTPServer):
    """Microsoft Graph's sendMail, and the token endpoint, as their documentation has them.

    https://learn.microsoft.com/en-us/graph/api/user-sendmail

    Attributes:
        mails: What it took.
        script: Answers for the calls to come, before any of its own: status, headers, JSON;
            or "tear" for a connection that is closed while the mail is being sent, "close"
            for one that is closed once it was read, "take" once it was taken, "last" once
            that was answered.
        invalid: Recipients that are not valid.
        permissions: What the tokens allow.
        calls: Method and path of each call to Graph.
        valid: The tokens that are good.
        tokens: What was asked of the token endpoint, each form as a dict.
        hold: Clear it to keep every answer back until it is set.
        connections: How many there were.
    """

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _GraphHandler)
        self.socket = context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )
        self.url = f"https://localhost:{self.server_port}"
        self.mails: list[GraphMail] = []
        self.script: list[Any] = []
        self.invalid: set[str] = set()
        self.permissions: dict[str, Any] = {"roles": ["Mail.Send"]}
        self.calls: list[tuple[str, str]] = []
        self.tokens: list[dict[str, str]] = []
        self.valid: set[str] = set()
        self.hold = threading.Event()
        self.hold.set()
        self.connections = 0

    def options(self, **changes: Any) -> dict[str, Any]:
        """Return the way to it, as a user would type it."""
        return {
            "endpoint": f"{self.url}/v1.0",
            "oauth_options": {
                "client_id": "client",
                "client_secret": "canary-client~secret.6a90",
                "authority": f"{self.url}/tenant",
            },
            **changes,
        }

    def new_token(self) -> str:
        """Return another token that is valid."""
        token = jwt(**self.permissions, jti=f"canary-{len(self.tokens)}")
        self.valid.add(token)
        return token

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Let clients hang up without a word."""


class _GraphHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: GraphServer  # pyright: ignore[reportIncompatibleVariableOverride]

    def setup(self) -> None:
        self.server.connections += 1
        super().setup()

    def do_GET(self) -> None:
        if self.path.startswith("/tenant"):
            base = f"{self.server.url}/tenant"
            self._answer(
                200,
                {
                    "issuer": f"{base}/v2.0",
                    "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                    "token_endpoint": f"{base}/oauth2/v2.0/token",
                },
            )
        elif self._admitted():
            self._fail(403, "Authorization_RequestDenied", "Insufficient privileges.")

    def do_POST(self) -> None:
        if self.server.script[:1] == ["tear"] and "/tenant" not in self.path:
            self.server.calls.append((self.command, unquote(self.path)))
            self.server.script.pop(0)
            self.rfile.read(1000)
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith("/tenant"):
            form = parse_qs(body.decode())
            self.server.tokens.append({name: values[0] for name, values in form.items()})
            token = {"access_token": self.server.new_token(), "expires_in": 3600}
            self._answer(200, {**token, "token_type": "Bearer"})
            return
        self.server.hold.wait()
        if self._admitted():
            self._send(body)

    def _admitted(self) -> bool:
        server = self.server
        server.calls.append((self.command, unquote(self.path)))
        scripted = server.script.pop(0) if server.script else None
        if isinstance(scripted, tuple):
            status, headers, content = scripted
            self._answer(status, content, headers)
            return False
        if scripted == "close":
            self.close_connection = True
            return False
        self._taking = scripted == "take"
        self.close_connection = scripted in ("take", "last")
        if self.headers["Authorization"].removeprefix("Bearer ") not in server.valid:
            self._fail(401, "InvalidAuthenticationToken", "Access token is empty.")
            return False
        return True

    def _send(self, body: bytes) -> None:
        server = self.server
        found = re.fullmatch(r"/v1\.0/(?:users/([^/]+)|(me))/sendMail", unquote(self.path))
        if found is None or self.headers["Content-Type"] != "text/plain":
            self._fail(400, "BadRequest", "No such resource, or no such content.")
        elif len(body) > 4 * 1024 * 1024:
            self._fail(413, "RequestEntityTooLarge", "Too large.")
        else:
            mail = base64.b64decode(body, validate=True)
            headers = message_from_bytes(mail)
            named = [
                str(text) for name in ("To", "Cc", "Bcc") for text in headers.get_all(name, [])
            ]
            recipients = [address for _, address in getaddresses(named) if "@" in address]
            if not recipients or server.invalid & {*recipients} or ":;" in "".join(named):
                self._fail(
                    400, "ErrorInvalidRecipients", "At least one recipient is not valid."
                )
                return
            mailbox, connection = found[1] or found[2], self.client_address[1]
            server.mails.append(GraphMail(mailbox, mail, recipients, connection))
            if not self._taking:
                self._answer(202, None)

    def _fail(self, status: int, code: str, message: str) -> None:
        self._answer(status, {"error": {"code": code, "message": message}})

    def _answer(self, status: int, content: Any, headers: Any = ()) -> None:
        body = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Print nothing."""


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GraphServer]:
    """Microsoft Graph without mails, whose certificate this process trusts."""
    pytest.importorskip("msal")
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "graph-ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "graph-ca.pem"))
    server = GraphServer(context)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.hold.set()
    server.shutdown()
    thread.join()
    server.server_close()
