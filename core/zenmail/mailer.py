"""The host around every transport: one deadline, retry, failover, redirect, outbox."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal, TypeVar

from pydantic import SecretStr

from .address import parse_mailbox, split_addresses
from .alert import Alert
from .compose import compose
from .deadline import Deadline
from .email import Email, Envelope
from .errors import (
    ConfigurationError,
    DeliveryError,
    OptionsError,
    PermanentFailure,
    TemporaryFailure,
    UnknownOutcome,
    ZenmailError,
)
from .plugins import PluginHost, Transport
from .receipt import Outcome, Receipt
from .redact import scrub
from .transport import Check, SendRequest, TransportOptions, VerifyRequest

__all__ = ["DeliveryPolicy", "Mailer"]

DeliveryPolicy = Literal["at_most_once", "at_least_once"]

_logger = logging.getLogger(__name__)
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 8.0
_Result = TypeVar("_Result")


@dataclass
class _Delivery:
    """What is known of each recipient while a mail is under way."""

    pending: list[str]
    accepted: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    deferred: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    attempts: int = 0
    transport: str = ""
    detail: str = ""
    code: str = ""
    remedy: str = ""
    notes: list[str] = field(default_factory=list)
    broken: bool = False

    def record(self, receipt: Receipt, transport: str) -> None:
        """Take over what a transport says of the recipients it was given."""
        self.transport = transport
        asked, self.pending = self.pending, []
        self.detail, self.code, self.remedy = receipt.detail, receipt.code, receipt.remedy
        self.notes += [note for note in receipt.notes if note not in self.notes]
        answered = {*receipt.accepted, *receipt.refused, *receipt.deferred}
        for address in asked:
            self.refused.pop(address, None)
            self.deferred.pop(address, None)
            if address in receipt.refused:
                self.refused[address] = receipt.refused[address]
            elif address in receipt.deferred:
                self.deferred[address] = receipt.deferred[address]
                self.pending.append(address)
            elif address in answered:
                self.accepted.append(address)
            else:
                self.unknown.append(address)
                self.notes.append(f"The transport says nothing of {address}.")
        if not self.detail:
            self.detail = next(iter({**self.refused, **self.deferred}.values()), "")

    def fail(self, error: DeliveryError, transport: str) -> None:
        """Take over a failure that concerns every recipient the transport was given."""
        self.transport = transport
        self.detail, self.code, self.remedy = error.message, error.code, error.remedy
        self.broken = isinstance(error, PermanentFailure)
        for address in self.pending:
            self.refused.pop(address, None)
            self.deferred.pop(address, None)
            if isinstance(error, PermanentFailure):
                self.refused[address] = error.message
            else:
                self.deferred[address] = error.message


class Mailer:
    """Sends mails through a transport, and sees to it that they arrive or somebody knows.

    ```python
    with Mailer("smtp", options={"host": "localhost", "port": 587}) as mailer:
        receipt = mailer.send(email)
    ```

    Args:
        transport: Name of the transport.
        options: Its options, or the validated object.
        deadline: Seconds for one mail, over connecting, every retry and every fallback.
        fallbacks: Transports to try, in order, when the ones before cannot deliver: names,
            or pairs of name and options.
        redirect_to: Where all mail goes instead of to its recipients; for staging.
        redirect_allow: Recipients that get their mail in spite of ``redirect_to``:
            addresses, or patterns such as ``*@example.com``.
        dry_run: Do everything but send.
        outbox: A folder, or an `Outbox`, that keeps what cannot be delivered.
        policy: What to do when the answer is lost after the mail was sent:
            ``at_most_once`` leaves it, ``at_least_once`` sends it again.
        max_attempts: How often one transport is tried at the most.
        plugins: Where transports and middleware come from.
        pass_through: Exceptions, raised by signal handlers, that are nobody's failure
            and always leave ``send``.

    Raises:
        ConfigurationError: The transport, its options or an address is unusable.
    """

    def __init__(
        self,
        transport: str = "smtp",
        *,
        options: Mapping[str, Any] | TransportOptions | None = None,
        deadline: float = 30.0,
        fallbacks: Sequence[str | tuple[str, Mapping[str, Any]]] = (),
        redirect_to: str | Sequence[str] = (),
        redirect_allow: str | Sequence[str] = (),
        dry_run: bool = False,
        policy: DeliveryPolicy = "at_most_once",
        max_attempts: int = 6,
        plugins: PluginHost | None = None,
        pass_through: tuple[type[BaseException], ...] = (),
    ) -> None:
        if not 0 < deadline < float("inf"):
            raise ConfigurationError(
                f"The deadline is {deadline} seconds.", remedy="Give a number above 0."
            )
        if policy not in ("at_most_once", "at_least_once"):
            raise ConfigurationError(
                f"{policy!r} is no policy.", remedy="Choose at_most_once or at_least_once."
            )
        self.deadline = deadline
        self.plugins = plugins or PluginHost(pass_through=pass_through)
        self._pass_through = pass_through
        self._leaving: tuple[type[BaseException], ...] = (DeliveryError, *pass_through)
        self._policy = policy
        self._max_attempts = max(1, max_attempts)
        self._dry_run = dry_run
        self._redirect_to = tuple(
            parse_mailbox(item).address for item in split_addresses(redirect_to)
        )
        self._redirect_allow = tuple(item.lower() for item in split_addresses(redirect_allow))
        pairs = [(transport, options or {})]
        pairs += [(item, {}) if isinstance(item, str) else item for item in fallbacks]
        self._routes = [self._route(name, given) for name, given in pairs]
        self._secrets = sorted(
            {secret for _, given in self._routes for secret in _secret_values(given)},
            key=len,
            reverse=True,
        )

    def _route(
        self, name: str, options: Mapping[str, Any] | TransportOptions
    ) -> tuple[Transport, TransportOptions]:
        transport = self.plugins.transport(name)
        if not isinstance(options, TransportOptions):
            return transport, transport.parse_options(options)
        if not isinstance(options, transport.options_type):
            raise OptionsError(
                f"It takes {transport.options_type.__name__}, not {type(options).__name__}.",
                transport=name,
            )
        return transport, options

    def __enter__(self) -> Mailer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of every connection."""
        self.plugins.close()

    def send(self, email: Email) -> Receipt:
        """Send one mail; what happened to it is in the receipt, never an exception.

        Args:
            email: The mail.

        Returns:
            What became of it, recipient by recipient.
        """
        started = time.monotonic()
        deadline = Deadline.after(self.deadline)
        email = self.plugins.before_send(email, email.envelope)
        email, envelope = self._redirect(email)
        if self._dry_run:
            receipt = Receipt(
                outcome="skipped",
                detail="A dry run: nothing was sent.",
                message_id=email.message_id,
                transport=self._routes[0][0].name,
            )
        else:
            delivery = self._deliver(email, envelope, deadline)
            receipt = self._receipt(delivery, email, time.monotonic() - started)
        self.plugins.after_send(receipt, email)
        return receipt

    def send_alert(
        self,
        alert: Alert,
        *,
        sender: str,
        to: str | Sequence[str] = (),
        cc: str | Sequence[str] = (),
        bcc: str | Sequence[str] = (),
        reply_to: str | Sequence[str] = (),
        subject: str = "",
        subject_prefix: str = "",
        include_html: bool = True,
        templates: str | None = None,
        redact: bool = True,
    ) -> Receipt:
        """Compose an alert and send it.

        Args:
            alert: What happened.
            sender: Who it is from.
            to: Recipients shown as To.
            cc: Recipients shown as Cc.
            bcc: Recipients shown to nobody.
            reply_to: Where answers go.
            subject: The subject, when it is not the alert's title.
            subject_prefix: What stands before the subject, such as "[ZenML]".
            include_html: Whether the mail has an HTML part beside the text.
            templates: A folder of templates that go before zenmail's own, or None.
            redact: Whether what looks like a secret is taken out. The secrets among the
                transports' options always are.

        Returns:
            What became of it, recipient by recipient.

        Raises:
            AddressError: An address cannot be put on the wire, or there is no recipient.
            ConfigurationError: Another argument is unusable.
        """
        alert = self.plugins.before_render(alert)
        wishes: dict[str, Any] = {}
        if templates is not None:
            wishes["templates"] = templates
        if not redact:
            wishes["redact"] = redact
        email = compose(
            alert,
            sender=sender,
            to=to,
            cc=cc,
            bcc=bcc,
            reply_to=reply_to,
            subject=subject,
            subject_prefix=subject_prefix,
            include_html=include_html,
            secrets=self._secrets,
            **wishes,
        )
        return self.send(email)

    def verify(self, email: Email | None = None) -> dict[str, list[Check]]:
        """Check every transport's set-up without sending.

        Args:
            email: A mail whose sender and recipients to ask the server about.

        Returns:
            The phases by transport; none for a transport that cannot check itself.
        """
        envelope = email.envelope if email is not None else None
        deadline = Deadline.after(self.deadline)
        return {
            transport.name: transport.verify(
                VerifyRequest(envelope, options, deadline, self.plugins.fetch_token)
            )
            if transport.verifies
            else []
            for transport, options in self._routes
        }

    def _redirect(self, email: Email) -> tuple[Email, Envelope]:
        envelope = email.envelope
        if not self._redirect_to:
            return email, envelope
        diverted = [item for item in envelope.recipients if not self._may_receive(item)]
        if not diverted:
            return email, envelope
        allowed = [item for item in envelope.recipients if item not in diverted]
        named = {parse_mailbox(item).address for item in (*email.to, *email.cc)}
        header = ", ".join(item for item in diverted if item in named)
        headers = {**email.headers, "X-Zenmail-Redirected-From": header or "(blind copies)"}
        return email.replace(headers=headers), envelope.to([*allowed, *self._redirect_to])

    def _may_receive(self, address: str) -> bool:
        return any(fnmatchcase(address.lower(), pattern) for pattern in self._redirect_allow)

    def _deliver(self, email: Email, envelope: Envelope, deadline: Deadline) -> _Delivery:
        delivery = _Delivery(pending=list(envelope.recipients))
        for index, (transport, options) in enumerate(self._routes):
            if index:
                delivery.pending = [*delivery.deferred, *delivery.refused]
                if not delivery.pending:
                    break
                _logger.warning(
                    "Transport %r cannot deliver (%s); trying %r.",
                    self._routes[index - 1][0].name,
                    self._scrub(delivery.detail),
                    transport.name,
                )
            share = deadline.share(len(self._routes) - index)
            self._try(transport, options, email, envelope, delivery, share)
        return delivery

    def _try(
        self,
        transport: Transport,
        options: TransportOptions,
        email: Email,
        envelope: Envelope,
        delivery: _Delivery,
        deadline: Deadline,
    ) -> None:
        for attempt in range(self._max_attempts):
            if attempt and not _pause(attempt, deadline):
                return
            delivery.attempts += 1
            request = SendRequest(
                email,
                envelope.to(delivery.pending),
                options,
                deadline,
                self.plugins.fetch_token,
            )
            try:
                delivery.record(self._call(transport, request), transport.name)
            except UnknownOutcome as error:
                delivery.fail(error, transport.name)
                if self._policy == "at_most_once":
                    delivery.unknown += delivery.pending
                    for address in delivery.pending:
                        delivery.deferred.pop(address, None)
                    delivery.pending = []
            except DeliveryError as error:
                delivery.fail(error, transport.name)
                if isinstance(error, PermanentFailure):
                    return
            if not delivery.pending:
                return

    def _call(self, transport: Transport, request: SendRequest[Any]) -> Receipt:
        """Call the transport; whatever goes wrong is a `DeliveryError` of ours."""
        try:
            if request.options.keeps_deadline:
                return transport.send(request)
            return _within(request.deadline, lambda: transport.send(request))
        except self._leaving:
            raise
        except ZenmailError as error:
            raise PermanentFailure(
                error.message, code=error.code, remedy=error.remedy
            ) from error
        except Exception as error:
            raise TemporaryFailure(
                f"{type(error).__name__}: {error}",
                code="transport-exception",
                remedy=f"If it stays, tell the authors of the transport {transport.name!r}.",
            ) from error

    def _receipt(self, delivery: _Delivery, email: Email, seconds: float) -> Receipt:
        return Receipt(
            outcome=_outcome(delivery),
            accepted=tuple(delivery.accepted),
            refused={name: self._scrub(why) for name, why in delivery.refused.items()},
            deferred={name: self._scrub(why) for name, why in delivery.deferred.items()},
            detail=self._scrub(delivery.detail),
            code=delivery.code,
            remedy=self._scrub(delivery.remedy),
            attempts=delivery.attempts,
            message_id=email.message_id,
            transport=delivery.transport,
            notes=tuple(self._scrub(note) for note in delivery.notes),
            seconds=seconds,
        )

    def _scrub(self, text: str) -> str:
        return scrub(text, self._secrets)


def _outcome(delivery: _Delivery) -> Outcome:
    if delivery.unknown:
        return "unknown"
    if not delivery.refused and not delivery.deferred:
        return "delivered"
    if delivery.accepted:
        return "partial"
    return "deferred" if delivery.deferred else "refused"


def _pause(attempt: int, deadline: Deadline) -> bool:
    """Wait before another attempt; return False when no time is left for one."""
    longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (attempt - 1))
    pause = longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
    if pause >= deadline.remaining():
        return False
    time.sleep(pause)
    return True


def _within(deadline: Deadline, call: Callable[[], _Result]) -> _Result:
    """Return what the call returns, or give up on it at the deadline.

    Raises:
        UnknownOutcome: The call is still running; what it does then is anybody's guess.
    """
    result: list[_Result] = []
    failure: list[BaseException] = []
    context = copy_context()

    def run() -> None:
        try:
            result.append(context.run(call))
        except BaseException as error:
            failure.append(error)

    worker = threading.Thread(target=run, name="zenmail-transport", daemon=True)
    worker.start()
    worker.join(deadline.timeout("before the transport was called"))
    if failure:
        raise failure[0]
    if not result:
        raise UnknownOutcome(
            "The transport did not return by the deadline.",
            code="deadline",
            remedy="Raise the deadline, or look at what the transport waits for.",
        )
    return result[0]


def _secret_values(options: TransportOptions) -> Iterable[str]:
    def walk(value: Any) -> Iterable[str]:
        if isinstance(value, SecretStr):
            yield value.get_secret_value()
        elif isinstance(value, Mapping):
            for item in value.values():
                yield from walk(item)
        elif isinstance(value, list | tuple):
            for item in value:
                yield from walk(item)

    for name in type(options).model_fields:
        yield from walk(getattr(options, name))
