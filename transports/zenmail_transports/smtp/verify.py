"""Checking a server phase by phase, without sending a mail."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from zenmail import Check, Envelope, VerifyRequest, ZenmailError

from .advice import failure
from .dialogue import Dialogue, Flight, command
from .options import SMTPOptions
from .relay import Relay
from .session import Session
from .wire import Address, Lost, resolve

__all__ = ["verify"]

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
            started = time.perf_counter()
            try:
                detail = phase()
            except _Skip as reason:
                yield Check(name, "skipped", str(reason))
            except (ZenmailError, Lost) as error:
                broken = True
                known = error.failure if isinstance(error, Lost) else error
                seconds = time.perf_counter() - started
                yield Check(name, "failed", known.message, known.remedy, seconds, known.code)
            else:
                yield Check(name, "passed", detail, seconds=time.perf_counter() - started)
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
        places = dict.fromkeys(str(address[3][0]) for address in self._addresses)
        return f"{host} is {', '.join(places)}."

    def _tcp(self) -> str:
        addresses = list(self._addresses)
        self._session = Session.dial(self._options, addresses, self._request.deadline)
        return f"Connected to {self._session.wire.peer_address} port {self._options.port}."

    def _tls(self) -> str:
        session = self._connected
        session.encrypt(self._relay.context, self._request.deadline)
        if not session.wire.encrypted:
            raise _Skip("security is 'none': everybody on the way can read the mail.")
        certificate = session.wire.certificate()
        return (
            f"{session.wire.tls_version()}; the certificate is for "
            f"{_names(certificate.get('subjectAltName', ()))}, from "
            f"{_issuer(certificate.get('issuer', ()))}, "
            f"and expires {certificate.get('notAfter', 'at an unknown date')}."
        )

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
        credentials = self._relay.credentials(self._request.deadline, self._request.fetch_token)
        if credentials is None:
            raise _Skip("No username is set.")
        session.log_in(credentials, self._request.deadline)
        return f"Logged in as {self._options.username} with {session.mechanism}."

    def _sender(self) -> str:
        envelope = self._envelope()
        self._connected.converse(_mail(envelope), self._request.deadline)
        return f"The server takes mail from {envelope.sender}."

    def _recipients(self) -> str:
        envelope = self._envelope()
        self._connected.converse(_rcpt(envelope), self._request.deadline)
        return f"The server takes mail for {', '.join(envelope.recipients)}."

    def _envelope(self) -> Envelope:
        if self._request.envelope is None:
            raise _Skip("No mail was given to ask about.")
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


def _names(alternatives: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(value for _, value in alternatives) or "nobody"


def _issuer(names: tuple[tuple[tuple[str, str], ...], ...]) -> str:
    parts = {kind: value for part in names for kind, value in part}
    return parts.get("organizationName") or parts.get("commonName") or "an unnamed authority"
