"""Checking a server phase by phase, without sending a mail."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from zenmail import Check, Envelope, PermanentFailure, VerifyRequest, ZenmailError

from .advice import failure
from .dialogue import Dialogue, Flight, command
from .options import SMTPOptions, build_context
from .reach import Address, resolve
from .relay import Relay
from .session import Session
from .wire import Lost

__all__ = ["verify"]

# How long a server may keep silent before it is tried whether it waits for TLS.
_SILENCE = 1.0
_PROBE = 3.0
# OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which Python does not name.
_NO_CHECK_TIME = 0x200000
_SHOWN = ("SIZE", "AUTH", "PIPELINING", "CHUNKING", "SMTPUTF8")


class _Skip(Exception):
    """The phase has nothing to check."""


def verify(relay: Relay, request: VerifyRequest[SMTPOptions]) -> Iterator[Check]:
    """Yield one `Check` for each phase: dns, tcp, tls, ehlo, login, sender, recipients."""
    verification = _Verification(relay, request)
    broken = False
    try:
        for name, phase in verification.phases():
            if broken:
                yield Check(name, "skipped")
                continue
            try:
                yield Check(name, "passed", phase())
            except _Skip as reason:
                yield Check(name, "skipped", str(reason))
            except (ZenmailError, Lost) as error:
                broken = True
                yield Check.failed(name, error.failure if isinstance(error, Lost) else error)
    finally:
        verification.close()


class _Verification:
    def __init__(self, relay: Relay, request: VerifyRequest[SMTPOptions]) -> None:
        self._relay = relay
        self._request = request
        self._options = request.options
        self._addresses: list[Address] = []
        self._session: Session | None = None

    def phases(self) -> Iterator[tuple[str, Callable[[], str]]]:
        yield "dns", self._dns
        yield "tcp", self._tcp
        yield ("starttls" if self._options.security == "starttls" else "tls"), self._tls
        yield "ehlo", self._ehlo
        yield "login", self._login
        yield "sender", self._sender
        yield "recipients", self._recipients

    def close(self) -> None:
        if self._session is not None:
            with suppress(OSError):
                self._session.close()

    @property
    def _connected(self) -> Session:
        assert self._session is not None
        return self._session

    def _dns(self) -> str:
        host, port = self._options.host, self._options.port
        self._addresses = resolve(host, port, self._request.deadline)
        places = [*dict.fromkeys(str(address[3][0]) for address in self._addresses)]
        if places == [host]:
            return f"{host} is an IP address."
        return f"{host} is {', '.join(places)}."

    def _tcp(self) -> str:
        addresses = list(self._addresses)
        self._session = Session.dial(self._options, addresses, self._request.deadline)
        return f"Connected to {self._session.wire.peer_address} port {self._options.port}."

    def _tls(self) -> str:
        session = self._connected
        if self._options.security != "tls":
            self._find_silent_tls(session)
        try:
            session.encrypt(self._relay.context, self._request.deadline)
        except PermanentFailure as error:
            if error.code == "certificate":
                self._describe_certificate(error)
            raise
        if not session.wire.encrypted:
            raise _Skip("`security` is 'none': everybody on the way can read the mail.")
        certificate = session.wire.certificate()
        return (
            f"{session.wire.tls_version()}; the certificate is for "
            f"{', '.join(_names(certificate)) or 'nobody'}, from "
            f"{_issuer(certificate.get('issuer', ()))}, "
            f"and expires {certificate.get('notAfter', 'at an unknown date')}."
        )

    def _find_silent_tls(self, session: Session) -> None:
        """Tell a port where the server waits for TLS before the deadline has passed."""
        if session.wire.has_input(within=self._request.deadline.at_most(_SILENCE)):
            return
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # nothing is sent to it
        if self._handshake(context) is None:
            return
        port = self._options.port
        raise PermanentFailure(
            f"Port {port} expects TLS from the first byte, but `security` is "
            f"{self._options.security!r}.",
            code="tls",
            remedy=f"Set `security` to 'tls' for port {port}.",
            change={"security": "tls"},
        )

    def _describe_certificate(self, error: ZenmailError) -> None:
        """Add to the error what the certificate says: its names, and its dates."""
        context = build_context(self._options)
        context.check_hostname = False
        context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
        certificate = self._handshake(context)
        if not certificate:
            return
        names = _names(certificate)
        error.message += (
            f" The certificate is for {', '.join(names) or 'nobody'}, and valid from "
            f"{certificate.get('notBefore')} to {certificate.get('notAfter')}."
        )
        if "host" in error.change:
            named = [name for name in names if "*" not in name]
            error.change = {"host": named[0]} if named else {}

    def _handshake(self, context: ssl.SSLContext) -> dict[str, Any] | None:
        """Return the certificate shown on a second connection; None if there is no TLS."""
        deadline = self._request.deadline.at_most(_PROBE)
        try:
            addresses = resolve(self._options.host, self._options.port, deadline)
            session = Session.dial(self._options, addresses, deadline)
        except ZenmailError:
            return None
        try:
            if self._options.security == "starttls" and context.verify_mode:
                session.encrypt(context, deadline)
            else:
                session.wire.start_tls(context, deadline)
            return session.wire.certificate()
        except (ZenmailError, Lost):
            return None
        finally:
            session.wire.close()

    def _ehlo(self) -> str:
        session = self._connected
        session.introduce(self._request.deadline)
        offers = [
            f"{name} {session.capabilities.keywords[name]}".strip()
            for name in _SHOWN
            if name in session.capabilities
        ]
        return f"{session.capabilities.greeting} offers {', '.join(offers) or 'no extensions'}."

    def _login(self) -> str:
        session = self._connected
        credentials = self._relay.login.credentials(
            self._request.deadline, self._request.fetch_token
        )
        if credentials is None:
            raise _Skip("`username` is not set.")
        session.log_in(credentials, self._request.deadline)
        return f"Logged in as {self._options.username} with {session.mechanism}."

    def _sender(self) -> str:
        envelope = self._envelope()
        self._connected.converse(_mail(envelope), self._request.deadline)
        return f"The server accepts mail from {envelope.sender}."

    def _recipients(self) -> str:
        envelope = self._envelope()
        self._connected.converse(_rcpt(envelope), self._request.deadline)
        return f"The server accepts mail for {', '.join(envelope.recipients)}."

    def _envelope(self) -> Envelope:
        if self._request.envelope is None:
            raise _Skip("No sender and recipients were given.")
        return self._request.envelope


def _mail(envelope: Envelope) -> Dialogue[None]:
    extension = "SMTPUTF8" if envelope.smtputf8 else ""
    (reply,) = yield Flight(
        [command("MAIL", f"FROM:<{envelope.sender}>", extension)], what="the sender"
    )
    if not reply.positive:
        raise failure(reply, "sender")


def _rcpt(envelope: Envelope) -> Dialogue[None]:
    problems = []
    for address in envelope.recipients:
        (reply,) = yield Flight([command("RCPT", f"TO:<{address}>")], what="a recipient")
        if not reply.positive:
            problems.append((address, reply))
    yield Flight([b"RSET\r\n"], what="RSET")
    if problems:
        address, reply = problems[0]
        error = failure(reply, "recipient")
        error.message = "; ".join(f"{name}: {said}" for name, said in problems)
        raise error


def _names(certificate: dict[str, Any]) -> list[str]:
    return [value for _, value in certificate.get("subjectAltName", ())]


def _issuer(names: tuple[tuple[tuple[str, str], ...], ...]) -> str:
    parts = {kind: value for part in names for kind, value in part}
    return parts.get("organizationName") or parts.get("commonName") or "an unnamed authority"
