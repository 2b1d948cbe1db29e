"""Mail kept in memory in place of being sent, and assertions about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from unittest.mock import patch

from ..email import Email, Envelope
from ..errors import DeliveryError
from ..hookspecs import hookimpl
from ..plugins import PluginHost
from ..receipt import Receipt
from ..transport import SendRequest, Transport, TransportOptions

__all__ = ["CapturedMail", "SentMail"]


@dataclass(frozen=True)
class SentMail:
    """One mail that a transport would have sent.

    Attributes:
        email: The mail; what it attaches was read when it was sent.
        envelope: Sender, and the recipients that it was accepted for.
        transport: Name of the transport that was selected.
    """

    email: Email
    envelope: Envelope
    transport: str

    def __str__(self) -> str:
        recipients = ", ".join(self.envelope.recipients)
        return f"{self.email.subject!r} to {recipients} (by {self.transport})"


class CapturedMail:
    """The mails that were sent while the fixture ``captured_mail`` was in use.

    Every transport, whichever is selected, is loaded and has its options checked as usual,
    and hands its mails over to this in place of sending them. So nothing of the code under
    test has to change. The transport ``capture``, which takes no options, is there for
    those that select none.

    ```python
    def test_alert(captured_mail):
        captured_mail.refuse("bob@example.com", "550 5.1.1 Unknown")
        notify_team()
        captured_mail.assert_sent(to="alice@example.com", subject="failed")
    ```

    Attributes:
        attempts: How often a transport was called, whatever came of it.
    """

    def __init__(self) -> None:
        self._sent: list[SentMail] = []
        self.attempts = 0
        self._refused: list[tuple[str, str]] = []
        self._deferred: list[tuple[str, str]] = []
        self._failures: list[DeliveryError] = []

    def __len__(self) -> int:
        return len(self._sent)

    def __iter__(self) -> Iterator[SentMail]:
        return iter(tuple(self._sent))

    def __getitem__(self, index: int) -> SentMail:
        return self._sent[index]

    def __repr__(self) -> str:
        return f"<CapturedMail: {self._listing()}>"

    def clear(self) -> None:
        """Forget the mails so far; what is to be refused stays."""
        self._sent.clear()
        self.attempts = 0

    def refuse(self, address: str, reason: str = "550 5.1.1 No such user") -> None:
        """Refuse a recipient permanently.

        Args:
            address: The address, or a pattern such as ``*@example.com``.
            reason: What the receipt says.
        """
        self._refused.append((address.lower(), reason))

    def defer(self, address: str, reason: str = "451 4.3.0 Try again later") -> None:
        """Refuse a recipient temporarily; the mailer retries.

        Args:
            address: The address, or a pattern such as ``*@example.com``.
            reason: What the receipt says.
        """
        self._deferred.append((address.lower(), reason))

    def fail(self, error: DeliveryError, *, times: int = 1) -> None:
        """Let the next sends raise.

        Args:
            error: `TemporaryFailure`, `PermanentFailure` or `UnknownOutcome`.
            times: How many sends.
        """
        self._failures += [error] * times

    def assert_sent(
        self,
        *,
        to: str | None = None,
        subject: str | re.Pattern[str] | None = None,
        text: str | re.Pattern[str] | None = None,
        html: str | re.Pattern[str] | None = None,
        sender: str | None = None,
        transport: str | None = None,
        count: int | None = None,
    ) -> SentMail:
        """Assert that a mail was sent, and return it; the last one if there are several.

        Args:
            to: A recipient in the envelope, blind copies included.
            subject: What the subject contains, or a pattern that is found in it.
            text: The same for the text part.
            html: The same for the HTML part.
            sender: The sender's address.
            transport: The transport that was selected.
            count: How many such mails there are; at least one by default.
        """
        __tracebackhide__ = True
        wanted = {
            "to": to, "subject": subject, "text": text, "html": html,
            "sender": sender, "transport": transport,
        }  # fmt: skip
        found = [
            sent
            for sent in self._sent
            if (to is None or to.lower() in map(str.lower, sent.envelope.recipients))
            and (sender is None or sender.lower() == sent.envelope.sender.lower())
            and (transport is None or transport == sent.transport)
            and _contains(sent.email.subject, subject)
            and _contains(sent.email.text, text)
            and _contains(sent.email.html or "", html)
        ]
        if not found or (count is not None and len(found) != count):
            asked = ", ".join(f"{name}={_show(it)}" for name, it in wanted.items() if it)
            raise AssertionError(
                f"{len(found)} mails match ({asked or 'any'}), not "
                f"{'one or more' if count is None else count}; {self._listing()}"
            )
        return found[-1]

    def assert_nothing_sent(self) -> None:
        """Assert that no mail was sent."""
        __tracebackhide__ = True
        if self._sent:
            raise AssertionError(self._listing())

    def _listing(self) -> str:
        if not self._sent:
            return f"nothing was sent, in {self.attempts} attempts"
        lines = "".join(f"\n  {number}. {sent}" for number, sent in enumerate(self._sent, 1))
        return f"sent were:{lines}"

    @contextmanager
    def capturing(self) -> Iterator[None]:
        """Have all mail come here meanwhile."""
        lookup = PluginHost.transport

        def transport(host: PluginHost, name: str) -> Transport:
            if name == "capture" and name not in host._transports:
                host.register_transport(name, _Capture)
            return lookup(host, name)

        def send(selected: Transport, request: SendRequest[Any]) -> Receipt:
            return self._take(selected.name, request)

        with (
            patch.object(PluginHost, "transport", transport),
            patch.object(Transport, "send", send),
        ):
            yield

    def _take(self, transport: str, request: SendRequest[Any]) -> Receipt:
        self.attempts += 1
        if self._failures:
            raise self._failures.pop(0)
        recipients = request.envelope.recipients
        refused = _matching(recipients, self._refused)
        deferred = _matching(recipients, self._deferred)
        rejected = refused.keys() | deferred.keys()
        accepted = tuple(address for address in recipients if address not in rejected)
        if accepted:
            files = [file.loaded() for file in request.email.attachments]
            email = request.email.replace(attachments=files)
            self._sent.append(SentMail(email, request.envelope.to(accepted), transport))
        return Receipt(accepted=accepted, refused=refused, deferred=deferred)


class _Capture:
    """A transport for those who select none; what it would send is captured."""

    @hookimpl
    def transport_options(self) -> type[TransportOptions]:
        return TransportOptions

    @hookimpl
    def send_email(self, request: SendRequest[TransportOptions]) -> Receipt:
        raise NotImplementedError


def _matching(recipients: tuple[str, ...], patterns: list[tuple[str, str]]) -> dict[str, str]:
    return {
        address: reason
        for pattern, reason in reversed(patterns)
        for address in recipients
        if fnmatchcase(address.lower(), pattern)
    }


def _contains(text: str, wanted: str | re.Pattern[str] | None) -> bool:
    if wanted is None:
        return True
    return wanted in text if isinstance(wanted, str) else bool(wanted.search(text))


def _show(wanted: object) -> str:
    return repr(wanted.pattern) if isinstance(wanted, re.Pattern) else repr(wanted)
