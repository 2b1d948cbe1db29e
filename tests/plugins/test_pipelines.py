"""Every transport, ours and a stranger's, registered in ZenML and used from a pipeline."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from zenmail.testing import SMTPServer

pytestmark = [pytest.mark.zenml, pytest.mark.once]

PROGRAM = """
import json, sys
import zenml
from zenml import pipeline, step
from zenml.cli.cli import cli
from zenml.client import Client


def zenml_command(*arguments):
    cli(list(arguments), standalone_mode=False)


@step(enable_cache=False)
def alert() -> None:
    assert Client().active_stack.alerter.post("Training done\\nAccuracy: 0.92")


@pipeline
def train() -> None:
    alert()


zenml_command("secret", "create", "canary", *json.loads(sys.argv[2]))
zenml_command("alerter", "flavor", "register", "zenmail_zenml.flavor.SMTPEmailAlerterFlavor")
receipts = {}
for name, arguments in json.loads(sys.argv[1]).items():
    zenml_command(
        "alerter", "register", name, "--flavor=smtp_email", f"--transport={name}",
        "--sender_email=alerts@example.com", "--recipient_email=oncall@example.com", *arguments,
    )
    parts = ["-o", "default", "-a", "default", "-al", name]
    zenml_command("stack", "register", name, *parts, "--set")
    run = train()
    metadata = Client().get_pipeline_run(run.id).steps["alert"].run_metadata
    (receipts[name],) = [value for key, value in metadata.items() if key.startswith("email-")]
print("RECEIPTS", json.dumps(receipts))
"""


class Webhook(ThreadingHTTPServer):
    """What the third-party transport posts to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.calls: list[dict[str, Any]] = []
        self.tokens: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    @property
    def endpoint(self) -> Webhook:
        """What it belongs to."""
        assert isinstance(self.server, Webhook)
        return self.server

    def do_POST(self) -> None:
        """Take a mail."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.endpoint.calls.append(json.loads(body))
        self.endpoint.tokens.append(self.headers["Authorization"])
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Print nothing."""


@pytest.fixture
def endpoint() -> Iterator[Webhook]:
    """Return a running webhook."""
    server = Webhook()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.timeout(600)
def test_every_transport_sends_from_a_pipeline(
    webhook: dict[str, str], endpoint: Webhook, tmp_path: Path, canaries: dict[str, str]
) -> None:
    """``zenml alerter register --transport=...`` is all it takes; the receipts are right.

    Secrets come from ZenML's store, and none of them is on the terminal, in a log or in a
    file afterwards.
    """
    pytest.importorskip("sqlmodel")
    token, password = canaries["token"], canaries["password"]
    secrets = [f"--token={token}", f"--password={password}"]
    moto = pytest.importorskip("moto.server")
    boto3 = pytest.importorskip("boto3")
    ses = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    ses.start()
    try:
        ses_url = "http://{}:{}".format(*ses.get_host_and_port())
        keys = {"aws_access_key_id": "k", "aws_secret_access_key": "s"}
        client = boto3.client("sesv2", region_name="eu-west-1", endpoint_url=ses_url, **keys)
        client.create_email_identity(EmailIdentity="alerts@example.com")
        client.close()
        with SMTPServer(users={"alerts": password}) as smtp:
            registrations = {
                "console": [],
                "file": [_options(folder=str(tmp_path / "mails"))],
                "ses": [
                    _options(
                        region="eu-west-1",
                        endpoint_url=ses_url,
                        access_key_id="{{canary.token}}",
                        secret_access_key="{{canary.password}}",
                    )
                ],
                "smtp": [
                    "--smtp_server=localhost",
                    f"--smtp_port={smtp.port}",
                    f"--smtp_ca_file={smtp.ca_file}",
                    "--smtp_username=alerts",
                    "--password={{canary.password}}",
                ],
                "webhook": [
                    _options(
                        url=f"http://127.0.0.1:{endpoint.server_port}/",
                        token="{{canary.token}}",
                    )
                ],
            }
            # In a file: ZenML stores the source of the steps.
            (tmp_path / "program.py").write_text(PROGRAM)
            done = subprocess.run(
                [sys.executable, "program.py", json.dumps(registrations), json.dumps(secrets)],
                env={
                    **webhook,
                    "ZENML_ANALYTICS_OPT_IN": "false",
                    "ZENML_CONFIG_PATH": str(tmp_path / "zenml"),
                    "ZENML_REPOSITORY_PATH": str(tmp_path),
                    "ZENML_LOGGING_VERBOSITY": "DEBUG",
                },
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
            (mail,) = smtp.mails
    finally:
        ses.stop()
    line = next(line for line in done.stdout.splitlines() if line.startswith("RECEIPTS "))
    receipts = json.loads(line.removeprefix("RECEIPTS "))
    assert set(receipts) == set(registrations)
    for name, receipt in receipts.items():
        assert receipt["transport"] == name
        assert receipt["outcome"] == "delivered"
        assert receipt["accepted"] == ["oncall@example.com"]
    assert mail.recipients == ["oncall@example.com"]
    assert [call["recipients"] for call in endpoint.calls] == [["oncall@example.com"]]
    assert endpoint.tokens == [f"Bearer {token}"]
    assert len(list((tmp_path / "mails").glob("*.eml"))) == 1
    assert "Subject: " in done.stdout
    for secret in (token, password):
        assert secret not in done.stdout
        assert secret not in done.stderr
        assert not [path for path in tmp_path.rglob("*") if _holds(path, secret)]


def _options(**options: str) -> str:
    return f"--transport_options={json.dumps(options)}"


def _holds(path: Path, secret: str) -> bool:
    # The secret store itself, which ZenML keeps in its database.
    if not path.is_file() or path.name == "zenml.db":
        return False
    return secret.encode() in path.read_bytes()
