"""Those who send: zenmail, its peers in Python, and the limit of the wire.

Each peer is used as its documentation shows, with TLS and a login. All get the same text
and HTML; only zenmail's alert peer renders its own.
"""

from __future__ import annotations

import asyncio
import smtplib
import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from .content import SENDER, Content, alert_arguments, recipients

HOST = "localhost"
USER = "user"
PASSWORD = "not-a-secret"


@dataclass(frozen=True)
class Load:
    """What to send in one go.

    Attributes:
        count: Mails.
        recipients: Recipients of each.
        attachment: A file to attach, or None.
        cold: Whether to start without a connection.
    """

    count: int = 1
    recipients: int = 1
    attachment: Path | None = None
    cold: bool = False


class Peer(ABC):
    """One way of sending mail.

    Args:
        port: The server's port on localhost.
        authority: PEM file of the certificate authority to trust, for those that verify.
        content: The mail.
    """

    distribution: ClassVar[str] = ""
    can_attach: ClassVar[bool] = True

    def __init__(self, port: int, authority: Path, content: Content) -> None:
        self.port = port
        self.authority = authority
        self.content = content

    @classmethod
    def release(cls) -> str:
        """Return the library's version, or ""."""
        return version(cls.distribution) if cls.distribution else ""

    @abstractmethod
    def send(self, load: Load) -> None:
        """Send it all and return when the server has taken the last."""

    def forget(self) -> None:  # noqa: B027 (a peer that keeps nothing has nothing to do)
        """Let go of the connection, if one is kept."""

    def message(self, load: Load, number: int) -> EmailMessage:
        """Return one mail, built with the standard library."""
        mail = EmailMessage()
        mail["From"] = SENDER
        mail["To"] = ", ".join(recipients(load.recipients))
        mail["Subject"] = f"{self.content.subject} {number}"
        mail.set_content(self.content.text)
        mail.add_alternative(self.content.html, subtype="html")
        if load.attachment is not None:
            mail.add_attachment(
                load.attachment.read_bytes(),
                maintype="application",
                subtype="octet-stream",
                filename=load.attachment.name,
            )
        return mail


class Zenmail(Peer):
    """zenmail, given text and HTML as the peers are."""

    distribution = "zenmail"

    def __init__(self, port: int, authority: Path, content: Content) -> None:
        super().__init__(port, authority, content)
        self.mailer = self._mailer()

    def _mailer(self) -> Any:
        from zenmail import Mailer

        return Mailer(
            "smtp",
            options={
                "host": HOST,
                "port": self.port,
                "security": "starttls",
                "username": USER,
                "password": PASSWORD,
                "ca_file": str(self.authority),
            },
            deadline=60.0,
        )

    def forget(self) -> None:
        """Let go of the connection and of all that was prepared."""
        self.mailer.close()
        self.mailer = self._mailer()

    def send(self, load: Load) -> None:
        """Send each mail through the kept mailer."""
        from zenmail import Attachment, Email

        to = recipients(load.recipients)
        files = (Attachment(path=load.attachment),) if load.attachment else ()
        for number in range(load.count):
            email = Email(
                sender=SENDER,
                to=to,
                subject=f"{self.content.subject} {number}",
                text=self.content.text,
                html=self.content.html,
                attachments=files,
            )
            self.mailer.send(email).raise_for_outcome()


class ZenmailAlert(Zenmail):
    """zenmail from the alert on: redact, render, build, send."""

    def send(self, load: Load) -> None:
        """Send each alert through the kept mailer."""
        from zenmail import Alert, Attachment

        to = recipients(load.recipients)
        files = (Attachment(path=load.attachment),) if load.attachment else ()
        arguments = alert_arguments()
        for number in range(load.count):
            arguments["title"] = f"{self.content.subject} {number}"
            alert = Alert(**arguments, attachments=files)
            self.mailer.send_alert(alert, sender=SENDER, to=to).raise_for_outcome()


class StdlibPerMail(Peer):
    """smtplib, a connection per mail, certificate not verified."""

    def context(self) -> ssl.SSLContext | None:
        """Return what STARTTLS is given."""
        return None

    def send(self, load: Load) -> None:
        """Connect, log in, send and quit for each mail."""
        for number in range(load.count):
            with smtplib.SMTP(HOST, self.port) as server:
                server.starttls(context=self.context())
                server.login(USER, PASSWORD)
                server.send_message(self.message(load, number))


class StdlibVerified(StdlibPerMail):
    """smtplib, a connection per mail, certificate verified (SSL_CERT_FILE)."""

    def context(self) -> ssl.SSLContext:
        """Return the default context, as the documentation of ssl recommends."""
        return ssl.create_default_context()


class RedmailPerMail(Peer):
    """redmail as documented: a connection per mail, certificate not verified."""

    distribution = "redmail"

    def __init__(self, port: int, authority: Path, content: Content) -> None:
        super().__init__(port, authority, content)
        from redmail import EmailSender

        self.sender = EmailSender(host=HOST, port=port, username=USER, password=PASSWORD)
        self.sender.use_jinja = False

    def send(self, load: Load) -> None:
        """Send each mail."""
        files = {load.attachment.name: load.attachment} if load.attachment else None
        for number in range(load.count):
            self.sender.send(
                subject=f"{self.content.subject} {number}",
                sender=SENDER,
                receivers=recipients(load.recipients),
                text=self.content.text,
                html=self.content.html,
                attachments=files,
            )


class RedmailKept(RedmailPerMail):
    """redmail with its connection kept, certificate not verified."""

    def send(self, load: Load) -> None:
        """Send each mail over the one connection."""
        if not self.sender.is_alive:
            self.sender.connect()
        super().send(load)

    def forget(self) -> None:
        """Let go of the connection."""
        if self.sender.is_alive:
            self.sender.close()


class Django(Peer):
    """django.core.mail with its connection kept, certificate verified (SSL_CERT_FILE)."""

    distribution = "Django"

    def __init__(self, port: int, authority: Path, content: Content) -> None:
        super().__init__(port, authority, content)
        from django.conf import settings

        settings.configure(
            EMAIL_HOST=HOST,
            EMAIL_PORT=port,
            EMAIL_HOST_USER=USER,
            EMAIL_HOST_PASSWORD=PASSWORD,
            EMAIL_USE_TLS=True,
        )
        self.connection: Any = None

    def forget(self) -> None:
        """Let go of the connection."""
        if self.connection is not None:
            self.connection.close()
        self.connection = None

    def send(self, load: Load) -> None:
        """Send each mail over the one connection."""
        from django.core.mail import EmailMultiAlternatives, get_connection

        if self.connection is None:
            self.connection = get_connection()
            self.connection.open()
        for number in range(load.count):
            mail = EmailMultiAlternatives(
                f"{self.content.subject} {number}",
                self.content.text,
                SENDER,
                recipients(load.recipients),
                connection=self.connection,
            )
            mail.attach_alternative(self.content.html, "text/html")
            if load.attachment is not None:
                mail.attach_file(str(load.attachment))
            mail.send()


class Aiosmtplib(Peer):
    """aiosmtplib with its connection kept, certificate verified."""

    distribution = "aiosmtplib"

    def __init__(self, port: int, authority: Path, content: Content) -> None:
        super().__init__(port, authority, content)
        self.loop = asyncio.new_event_loop()
        self.client: Any = None

    def forget(self) -> None:
        """Let go of the connection."""
        if self.client is not None:
            self.loop.run_until_complete(self.client.quit())
        self.client = None

    def send(self, load: Load) -> None:
        """Send each mail over the one connection."""
        self.loop.run_until_complete(self._send(load))

    async def _send(self, load: Load) -> None:
        from aiosmtplib import SMTP

        if self.client is None:
            self.client = SMTP(
                hostname=HOST,
                port=self.port,
                username=USER,
                password=PASSWORD,
                start_tls=True,
                cert_bundle=str(self.authority),
            )
            await self.client.connect()
        for number in range(load.count):
            await self.client.send_message(self.message(load, number))


class Apprise(Peer):
    """apprise: a connection per mail, certificate verified (SSL_CERT_FILE)."""

    distribution = "apprise"

    def send(self, load: Load) -> None:
        """Notify once for each mail."""
        import apprise

        notifier = apprise.Apprise()
        to = quote(",".join(recipients(load.recipients)), safe="")
        notifier.add(
            f"mailtos://{USER}:{PASSWORD}@{HOST}:{self.port}/?smtp={HOST}&mode=starttls"
            f"&from=alerts@example.com&to={to}&format=html"
        )
        notifier[0].request_rate_per_sec = 0  # else it sleeps between mails
        for number in range(load.count):
            taken = notifier.notify(
                title=f"{self.content.subject} {number}",
                body=self.content.html,
                body_format=apprise.NotifyFormat.HTML,
                attach=str(load.attachment) if load.attachment else None,
            )
            if not taken:
                raise RuntimeError("apprise did not send")


class Limit(Peer):
    """Bytes built beforehand over one open connection; an answer awaited per command."""

    can_attach = False

    def __init__(self, port: int, authority: Path, content: Content) -> None:
        super().__init__(port, authority, content)
        self.sock: Any = None
        self.bytes = b""

    def forget(self) -> None:
        """Let go of the connection."""
        if self.sock is not None:
            self.sock.close()
        self.sock = None

    def send(self, load: Load) -> None:
        """Send the same bytes each time."""
        if self.sock is None:
            self._connect()
        if not self.bytes:
            mail = self.message(Load(), 0)
            mail["Date"] = "Mon, 02 Mar 2026 06:00:12 +0000"
            mail["Message-ID"] = "<0123456789abcdef0123456789abcdef@example.com>"
            self.bytes = mail.as_bytes().replace(b"\n", b"\r\n")
        to = recipients(load.recipients)
        self._transfer(load.count, [f"RCPT TO:<{item}>\r\n".encode() for item in to])

    def _connect(self) -> None:
        context = ssl.create_default_context(cafile=str(self.authority))
        sock = socket.create_connection((HOST, self.port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self._await(1)
        self._say(b"EHLO client.example\r\n")
        self._say(b"STARTTLS\r\n")
        self.sock = context.wrap_socket(sock, server_hostname=HOST)
        self._say(b"EHLO client.example\r\n")
        self._say(b"AUTH PLAIN AHVzZXIAbm90LWEtc2VjcmV0\r\n")

    def _transfer(self, count: int, rcpt: list[bytes]) -> None:
        for _ in range(count):
            self._say(b"MAIL FROM:<alerts@example.com>\r\n")
            for command in rcpt:
                self._say(command)
            self._say(b"DATA\r\n")
            self._say(self.bytes + b".\r\n")

    def _say(self, data: bytes) -> None:
        self.sock.sendall(data)
        self._await(1)

    def _await(self, answers: int) -> None:
        received = b""
        while self._finals(received) < answers:
            block = self.sock.recv(1 << 16)
            if not block:
                raise ConnectionError("the sink is gone")
            received += block

    @staticmethod
    def _finals(received: bytes) -> int:
        lines = received.split(b"\r\n")[:-1]
        return sum(1 for line in lines if line[3:4] == b" ")


class LimitOneFlight(Limit):
    """Bytes built beforehand over one open connection; one flight per mail."""

    def _transfer(self, count: int, rcpt: list[bytes]) -> None:
        flight = self._flight(rcpt)
        for _ in range(count):
            self.sock.sendall(flight)
            self._await(2 + len(rcpt))

    def _flight(self, rcpt: list[bytes]) -> bytes:
        bdat = b"BDAT %d LAST\r\n" % len(self.bytes)
        return b"MAIL FROM:<alerts@example.com>\r\n" + b"".join(rcpt) + bdat + self.bytes


class LimitStreamed(LimitOneFlight):
    """Bytes built beforehand over one open connection; answers of 50 mails awaited at once."""

    def _transfer(self, count: int, rcpt: list[bytes]) -> None:
        flight = self._flight(rcpt)
        for start in range(0, count, 50):
            mails = min(50, count - start)
            for _ in range(mails):
                self.sock.sendall(flight)
            self._await(mails * (2 + len(rcpt)))


PEERS: dict[str, type[Peer]] = {
    "zenmail": Zenmail,
    "zenmail-alert": ZenmailAlert,
    "stdlib": StdlibPerMail,
    "stdlib-verified": StdlibVerified,
    "redmail": RedmailPerMail,
    "redmail-kept": RedmailKept,
    "django": Django,
    "aiosmtplib": Aiosmtplib,
    "apprise": Apprise,
    "limit": Limit,
    "limit-one-flight": LimitOneFlight,
    "limit-streamed": LimitStreamed,
}


def describe() -> Iterator[tuple[str, str]]:
    """Yield each peer's name and what it does."""
    for name, peer in PEERS.items():
        yield name, (peer.__doc__ or "").partition("\n")[0]
