"""Canaries in every place for a secret, and a search through everything that was written."""

from __future__ import annotations

import logging
import pickle
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from zenmail import (
    AccessToken,
    Alert,
    ConfigurationError,
    DeliveryError,
    Mailer,
    PluginHost,
    Retry,
    TokenRequest,
    hookimpl,
)
from zenmail.testing import SMTPServer

pytestmark = pytest.mark.extras

CANARIES = (
    "canary-password-7f3a",
    "canary-token-91bc",
    "canary-refresh/22de+token=",
    "AKIACANARY0000000000",
    "canary/aws+secret/4d5e",
    "canary-session-8a9b/+==",
)
PASSWORD, TOKEN, REFRESH, KEY_ID, KEY, SESSION = CANARIES


class Tokens:
    """A source of a token that no server takes."""

    @hookimpl
    def fetch_token(self, request: TokenRequest) -> AccessToken:
        """Return the token."""
        logging.getLogger("tokens").debug("Asked for a token: %r", request)
        return AccessToken(SecretStr(TOKEN), 2e9)


@pytest.fixture
def closed_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        return int(unused.getsockname()[1])


@pytest.fixture
def server() -> Iterator[SMTPServer]:
    """Return a server that knows nobody."""
    with SMTPServer(
        users={"other": "other"}, tokens=["other"], mechanisms=["PLAIN", "XOAUTH2"]
    ) as it:
        yield it


Scenario = Callable[[SMTPServer, int, Path], tuple[str, dict[str, Any]]]

SCENARIOS: dict[str, Scenario] = {
    "smtp-refused": lambda server, port, folder: (
        "smtp", server.options(username="u", password=PASSWORD)),
    "smtp-unreachable": lambda server, port, folder: (
        "smtp", server.options(username="u", password=PASSWORD, port=port)),
    "smtp-oauth-refused": lambda server, port, folder: (
        "smtp", server.options(username="u", oauth="tokens",
                               oauth_options={"refresh_token": REFRESH})),
    "google-unreachable": lambda server, port, folder: (
        "smtp", server.options(username="u", oauth="google", oauth_options={
            "client_id": "c", "client_secret": PASSWORD, "refresh_token": REFRESH,
            "token_uri": f"http://127.0.0.1:{port}/"})),
    "microsoft-unreachable": lambda server, port, folder: (
        "smtp", server.options(username="u", oauth="microsoft", oauth_options={
            "client_id": "c", "client_secret": PASSWORD, "refresh_token": REFRESH,
            "authority": f"https://127.0.0.1:{port}/tenant"})),
    "ses-unreachable": lambda server, port, folder: (
        "ses", {"region": "eu-west-1", "access_key_id": KEY_ID, "secret_access_key": KEY,
                "session_token": SESSION, "endpoint_url": f"http://127.0.0.1:{port}"}),
    "graph-unreachable": lambda server, port, folder: (
        "graph", {"endpoint": f"https://127.0.0.1:{port}", "oauth": "tokens",
                  "oauth_options": {"client_secret": PASSWORD}}),
    "graph-option": lambda server, port, folder: (
        "graph", {"oauth_options": {"certificate": REFRESH}, "tokn": TOKEN}),
    "smtp-option": lambda server, port, folder: (
        "smtp", server.options(username="u", password=PASSWORD, tokn=TOKEN)),
    "google-option": lambda server, port, folder: (
        "smtp", server.options(username="u", oauth="google", oauth_options={
            "service_account": REFRESH})),
}  # fmt: skip


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_secret_is_written_anywhere(
    name: str,
    server: SMTPServer,
    closed_port: int,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Logs at DEBUG, output, reprs, tracebacks, pickles, mails and ledger: no hit at all."""
    if name.startswith("ses"):
        pytest.importorskip("boto3")
    if name.startswith(("google", "microsoft", "graph")):
        pytest.importorskip("msal")
        pytest.importorskip("google.auth")
    caplog.set_level(logging.DEBUG)
    transport, options = SCENARIOS[name](server, closed_port, tmp_path)
    host = PluginHost()
    host.register_token_source("tokens", Tokens())
    # The alert quotes them, as tracebacks and step parameters do.
    used = [item for item in CANARIES if item in repr(options)]
    assert used
    alert = Alert(
        title=f"Step failed with {used[0]}",
        body="\n".join(used),
        traceback="".join(f"Traceback:\n  connect(key={item!r})" for item in used),
        facts={f"value {number}": item for number, item in enumerate(used)},
    )
    written: list[str] = []
    try:
        with Mailer(
            transport,
            options=options,
            fallbacks=[("file", {"folder": str(tmp_path / "mails")}), "console"],
            ledger=str(tmp_path / "ledger.db"),
            deadline=10.0,
            retry=Retry(max_attempts=1),
            plugins=host,
        ) as mailer:
            written.append(repr(mailer))
            receipt = mailer.send_alert(alert, sender="a@example.com", to="b@example.com")
            written += [repr(receipt), receipt.model_dump_json(), repr(pickle.dumps(receipt))]
            written += [repr(mailer.verify())]
            assert receipt.outcome == "delivered", "the fallback did not take it"
        with Mailer(
            transport, options=options, ledger=str(tmp_path / "ledger.db"), deadline=10.0,
            retry=Retry(max_attempts=1), plugins=host,
        ) as mailer:  # fmt: skip
            receipt = mailer.send_alert(alert, sender="a@example.com", to="b@example.com")
            receipt.raise_for_outcome()
    except (ConfigurationError, DeliveryError) as error:
        written += [str(error), repr(error), repr(vars(error)), repr(pickle.dumps(error))]
        written += traceback.format_exception(error)
    captured = capfd.readouterr()
    written += [captured.out, captured.err, caplog.text]
    written += [
        path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file()
    ]
    text = "\n".join(written)
    assert len(text) > 500
    assert [item for item in used if item in text] == []


def test_smtp_alone_imports_no_other_provider() -> None:
    """Who sends by SMTP pays for none of boto3, msal, google-auth, requests and ZenML."""
    program = (
        "import sys\n"
        "from zenmail import Email, Mailer\n"
        "from zenmail.testing import SMTPServer\n"
        "email = Email(sender='a@example.com', to='b@example.com', subject='s', text='t')\n"
        "with SMTPServer(users={'u': 'canary-password-7f3a'}) as server:\n"
        "    options = server.options(username='u', password='canary-password-7f3a')\n"
        "    with Mailer('smtp', options=options) as mailer:\n"
        "        assert mailer.send(email).delivered\n"
        "names = ['boto3', 'botocore', 'msal', 'google.auth', 'requests', 'rich', 'zenml']\n"
        "ours = ['ses', 'graph', 'file', 'console', 'tokens']\n"
        "heavy = {*names, *('zenmail_transports.' + name for name in ours)}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
