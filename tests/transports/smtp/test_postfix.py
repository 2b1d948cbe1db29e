"""Against Postfix itself: what its limits, checks and refusals do to an alert."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from zenmail import Deadline, Email, Mailer, PermanentFailure, Receipt, SendRequest
from zenmail_transports.smtp import SMTPOptions, SMTPTransport

pytestmark = pytest.mark.once

DAEMONS = Path("/usr/lib/postfix/sbin")
# Each listens on a port of its own: the settings in which they differ.
SERVERS = {
    "plain": "",
    "strict": "smtpd_hard_error_limit=3",
    "tarpit": "smtpd_soft_error_limit=3 smtpd_hard_error_limit=1000 smtpd_error_sleep_time=3s",
    "helo": "smtpd_helo_restrictions=reject_non_fqdn_helo_hostname",
    "closed": "smtpd_client_restrictions=reject",
    "few": "smtpd_recipient_limit=2",
    "unauthorized": "smtpd_forbid_unauth_pipelining=yes",
    "certificate": "smtpd_tls_security_level=encrypt smtpd_tls_req_ccert=yes",
}
MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
daemon_directory = {daemons}
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = postfix.example.com
mydestination = example.com
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
local_recipient_maps = inline:{{ {{ada=x}}, {{bob=x}}, {{carol=x}} }}
local_transport = discard:
smtpd_tls_chain_files = {folder}/server.pem
smtpd_tls_CAfile = {folder}/ca.pem
"""
MASTER = """
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)
        ]
        return [sock.getsockname()[1] for sock in sockets]


class Postfix:
    """An instance of its own, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = dict(zip(SERVERS, free_ports(len(SERVERS)), strict=True))

    def run(self, command: str) -> None:
        """Start or stop it."""
        subprocess.run(
            [shutil.which("postfix") or "", "-c", str(self.folder / "conf"), command],
            check=True,
            capture_output=True,
            timeout=60,
        )

    def configure(self, certificate: bytes, authority: bytes) -> None:
        """Write what it reads."""
        for name in ("conf", "queue", "data"):
            (self.folder / name).mkdir(mode=0o755)
        shutil.chown(self.folder / "data", "postfix")
        (self.folder / "server.pem").write_bytes(certificate)
        (self.folder / "ca.pem").write_bytes(authority)
        (self.folder / "conf" / "main.cf").write_text(
            MAIN.format(folder=self.folder, daemons=DAEMONS)
        )
        listeners = "".join(
            f"127.0.0.1:{self.ports[name]} inet n - n - - smtpd\n"
            + "".join(f"  -o {setting}\n" for setting in settings.split())
            for name, settings in SERVERS.items()
        )
        (self.folder / "conf" / "master.cf").write_text(listeners + MASTER)

    def send(self, server: str, email: Email, *, seconds: float = 20.0, **more: Any) -> Receipt:
        """Send a mail to one of the listeners."""
        with Mailer("smtp", options=self.options(server, **more), deadline=seconds) as mailer:
            return mailer.send(email)

    def options(self, server: str, **more: Any) -> dict[str, Any]:
        """Return the transport's options for one of the listeners."""
        options = {"host": "localhost", "port": self.ports[server], "security": "none"}
        return {**options, **more}

    def delivered(self, email: Email) -> list[str]:
        """Return who got the mail, once for each copy, as the log has it."""
        waiting = time.monotonic() + 20
        while True:
            lines = (self.folder / "log").read_text().splitlines()
            queued = [
                line.split()[5]
                for line in lines
                if f"message-id={email.message_id}" in line.replace(" ", "")
            ]
            done = [
                line for line in lines if "status=sent" in line and line.split()[5] in queued
            ]
            ended = all(
                any(name in line and ": removed" in line for line in lines) for name in queued
            )
            if ended or time.monotonic() > waiting:
                return sorted(line.split("to=<")[1].split(">")[0] for line in done)
            time.sleep(0.1)


@pytest.fixture(scope="module")
def postfix() -> Iterator[Postfix]:
    """Run Postfix with a listener for each set of settings."""
    import trustme

    if shutil.which("postfix") is None or not DAEMONS.is_dir():
        pytest.skip("Postfix is not installed (apt-get install postfix)")
    if os.geteuid() != 0:
        pytest.skip("only root may start Postfix")
    # Postfix's user may not enter pytest's folder, and paths of sockets must be short.
    folder = Path(tempfile.mkdtemp(prefix="zenmail-postfix-", dir="/tmp"))
    folder.chmod(0o755)
    found = Postfix(folder)
    try:
        authority = trustme.CA()
        chain = authority.issue_cert("localhost").private_key_and_cert_chain_pem
        found.configure(chain.bytes(), authority.cert_pem.bytes())
        try:
            found.run("start")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"Postfix does not start here: {error.stderr.decode()[-300:]}")
        yield found
        found.run("stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def alert(*names: str) -> Email:
    """Return a mail to recipients at Postfix."""
    return Email(
        sender="alerts@example.com", to=[f"{name}@example.com" for name in names], text="x"
    )


def test_first_and_second_mail(postfix: Postfix) -> None:
    """The mail in two chunks and the one in a single flight arrive once each."""
    first, second = alert("ada", "bob"), alert("carol")
    with Mailer("smtp", options=postfix.options("plain")) as mailer:
        assert mailer.send(first).delivered
        assert mailer.send(second).delivered
    assert postfix.delivered(first) == ["ada@example.com", "bob@example.com"]
    assert postfix.delivered(second) == ["carol@example.com"]


@pytest.mark.parametrize("warm", [False, True])
def test_hard_error_limit(postfix: Postfix, warm: bool) -> None:
    """Unknown recipients make Postfix hang up (421), and cost the others nothing."""
    email = alert("x1", "ada", "x2", "x3", "bob", "x4", "carol")
    with Mailer("smtp", options=postfix.options("strict"), deadline=30.0) as mailer:
        if warm:
            assert mailer.send(alert("ada")).delivered
        receipt = mailer.send(email)
    assert receipt.outcome == "partial"
    assert not receipt.unknown
    assert set(receipt.accepted) == {f"{name}@example.com" for name in ("ada", "bob", "carol")}
    assert len(receipt.refused) == 4
    assert postfix.delivered(email) == sorted(receipt.accepted)


def test_refused_mails_are_not_tarpitted(postfix: Postfix) -> None:
    """A mail refused after others is refused as fast: it has a connection of its own."""
    with Mailer("smtp", options=postfix.options("tarpit")) as mailer:
        receipts = [mailer.send(alert("nobody")) for _ in range(6)]
    assert {receipt.outcome for receipt in receipts} == {"refused"}
    # Postfix sleeps 3 seconds before each answer once a connection has more than 3 errors.
    assert sum(receipt.seconds for receipt in receipts) < 6 * 3 / 2


def test_name_in_ehlo(postfix: Postfix) -> None:
    """A name in EHLO that Postfix refuses at RCPT is what the advice is about."""
    receipt = postfix.send("helo", alert("ada"), ehlo_name="localhost")
    assert receipt.outcome == "refused"
    assert "ehlo_name" in receipt.remedy


def test_client_that_is_not_let_in(postfix: Postfix) -> None:
    """554 5.7.1 to a client that did not log in asks for a login."""
    receipt = postfix.send("closed", alert("ada"))
    assert receipt.outcome == "refused"
    assert "username" in receipt.remedy


def test_few_recipients_at_a_time(postfix: Postfix) -> None:
    """More recipients than Postfix takes in one mail all get it, once."""
    email = alert("ada", "bob", "carol")
    assert postfix.send("few", email).delivered
    assert postfix.delivered(email) == [
        f"{name}@example.com" for name in ("ada", "bob", "carol")
    ]


def test_missing_client_certificate(postfix: Postfix) -> None:
    """A server that wants a client certificate is not asked again without one."""
    receipt = postfix.send(
        "certificate", alert("ada"), security="starttls", ca_file=str(postfix.folder / "ca.pem")
    )
    assert (receipt.outcome, receipt.attempts) == ("refused", 1)
    assert "client_cert_file" in receipt.remedy


@pytest.mark.parametrize("count", [5, 50])
def test_window(postfix: Postfix, count: int) -> None:
    """Postfix takes a window of mails; the one it refuses among them touches no other."""
    emails = [alert("ada") for _ in range(count)]
    emails[count // 2] = alert("nobody")
    requests = []
    transport = SMTPTransport()
    options = SMTPOptions.parse(postfix.options("unauthorized"), transport="smtp")
    for email in [*(alert("ada") for _ in range(36 if count == 50 else 1)), *emails]:
        requests.append(SendRequest(email, email.envelope, options, Deadline.after(60.0)))
    answers = transport.send_emails(requests)[-count:]
    transport.close_transport()
    refused = answers.pop(count // 2)
    assert isinstance(refused, PermanentFailure | Receipt)
    assert isinstance(refused, PermanentFailure) or refused.refused
    assert all(isinstance(one, Receipt) and one.accepted for one in answers)
    del emails[count // 2]
    for email in emails:
        assert postfix.delivered(email) == ["ada@example.com"]
