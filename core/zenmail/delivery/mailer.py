"""The mailer: what a sender sets up once, and sends every mail through."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from ..addressing import Addressing
from ..clean import as_text, clean_line
from ..composing.compose import require_alert
from ..deadline import Deadline
from ..email import Email, Envelope
from ..errors import ConfigurationError, OptionsError, ZenmailError
from ..plugins import PluginHost
from ..receipt import Receipt
from ..retry import Retry
from ..runtime.forks import defer_forks
from ..transport import TransportOptions, VerifyRequest
from .alerts import Alerts
from .calls import Route, within
from .dispatch import Dispatcher
from .secrecy import Secrecy
from .spooler import Spooler

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..addressing import AddressingArguments
    from ..alert import Alert
    from ..check import Check
    from ..ledger.claim import OutboxState
    from ..ledger.ledger import Ledger
    from ..ledger.storms import Storms
    from .background import Background
    from .redirect import Redirect

__all__ = ["DeliveryMode", "Mailer"]

DeliveryMode = Literal["now", "background", "queue"]
Fallback = str | tuple[str, Mapping[str, Any]]

_LONGEST_DEADLINE = 86_400.0
# How many waiting mails a send takes along at most.
_TAKEN_ALONG = 20


class Mailer:
    """Sends mails through a transport, and sees to it that they arrive or somebody knows.

    ```python
    with Mailer("smtp", options={"host": "localhost", "port": 587}) as mailer:
        receipt = mailer.send(email)
    ```

    Args:
        transport: Name of the transport.
        options: Its options, or the validated object.
        fallbacks: Transports to try, in order, when the ones before cannot deliver: names,
            or pairs of name and options.
        deadline: Seconds for one mail, over connecting, every retry and every fallback.
        retry: How hard a mail is tried.
        redirect: Who gets all mail in place of its recipients; for staging.
        dry_run: Do everything but send.
        ledger: Where to keep what cannot be delivered, and to count alerts: the path of an
            SQLite file, ``postgresql://user:password@host/database``, or a `Ledger`. None or
            ``off`` for nowhere.
        delivery: ``now``: `send` returns when the outcome is known. ``background``: it
            returns at once and a thread delivers; the process waits for that at its end,
            for no longer than the deadline, and what fails is logged and left to the ledger.
            ``queue``: it returns once the mail is in the ledger, for a `Worker` to send.
        alerts_per_run: How many alerts with the same `Alert.thread` are sent alone; the
            rest goes into one digest. None for no limit.
        plugins: Where transports and middleware come from.
        name_option: Returns what users call an option of the transport; advice and errors
            then name it so. By default the option's own name.

    Raises:
        ConfigurationError: The transport, its options or an address is unusable.
    """

    @defer_forks()  # it imports what it will need
    def __init__(
        self,
        transport: str = "smtp",
        *,
        options: Mapping[str, Any] | TransportOptions | None = None,
        fallbacks: Sequence[Fallback] = (),
        deadline: float = 30.0,
        retry: Retry | None = None,
        redirect: Redirect | None = None,
        dry_run: bool = False,
        ledger: str | os.PathLike[str] | Ledger | None = None,
        delivery: DeliveryMode = "now",
        alerts_per_run: int | None = None,
        plugins: PluginHost | None = None,
        name_option: Callable[[str], str] = str,
    ) -> None:
        self.deadline = _seconds(deadline)
        retry = Retry() if retry is None else retry
        _require("retry", retry, Retry)
        if redirect is not None:
            from .redirect import Redirect

            _require("redirect", redirect, Redirect)
        self.plugins = plugins or PluginHost()
        # Here, where no other thread is at it yet.
        _ = self.plugins.middleware
        self._routes = [
            self._route(transport, {} if options is None else options, name_option),
            *(self._route(name, given) for name, given in _pairs(fallbacks)),
        ]
        self._secrecy = Secrecy([route.options for route in self._routes], self.plugins)
        self._ledger = _ledger(ledger)
        box = self._ledger.outbox if self._ledger is not None else None
        self._spooler = Spooler(box, self._secrecy)
        self._queue = _queue(delivery, self.deadline)
        if delivery == "queue" and self._ledger is None:
            raise ConfigurationError(
                "delivery=queue needs a ledger to queue mails in.",
                remedy="Set ledger: the path of an SQLite file, or "
                "postgresql://user@host/database.",
            )
        self._dry_run = dry_run
        self._dispatcher = Dispatcher(
            self._routes,
            plugins=self.plugins,
            secrecy=self._secrecy,
            spooler=self._spooler,
            retry=retry,
            redirect=redirect,
            queue=self._queue,
            spools=delivery == "queue",
            dry_run=dry_run,
            in_spare_time=self._send_waiting,
        )
        self._alerts = Alerts(
            self._dispatcher,
            self.plugins,
            self._secrecy,
            storms=() if dry_run else _storms(alerts_per_run, self._ledger),
            limit=alerts_per_run,
            seconds=self.deadline,
        )

    def _route(
        self,
        name: str,
        options: Mapping[str, Any] | TransportOptions,
        name_option: Callable[[str], str] = str,
    ) -> Route:
        if not _is_a(name, str):
            raise ConfigurationError(
                f"transport must be a string, not {type(name).__name__}.",
                remedy='Give a name such as "smtp"; `zenmail transports` lists them.',
            )
        transport = self.plugins.transport(name)
        if not isinstance(options, TransportOptions | Mapping):
            raise OptionsError(
                f"The options must be a mapping, not {type(options).__name__}.",
                transport=name,
                remedy="Give a mapping of their names to their values.",
            )
        if not isinstance(options, TransportOptions):
            options = transport.parse_options(options, name_option)
        elif not isinstance(options, transport.options_type):
            raise OptionsError(
                f"The options must be {transport.options_type.__name__}, not "
                f"{type(options).__name__}.",
                transport=name,
            )
        return Route(transport, options, name_option)

    def __enter__(self) -> Mailer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Finish what is under way, send the digests that are due, close every connection.

        All of that takes no longer than the deadline.
        """
        deadline = Deadline.after(self.deadline)
        if self._queue is not None:
            self._queue.close()
        self._alerts.close(deadline)
        if self._ledger is not None:
            self._ledger.close()
        self.plugins.close()

    def send(self, email: Email) -> Receipt:
        """Send one mail; what happened to it is in the receipt, never an exception.

        Args:
            email: The mail.

        Returns:
            The outcome for each recipient.

        Raises:
            ConfigurationError: It is not an `Email`.
        """
        if not _is_a(email, Email):
            raise ConfigurationError(
                f"Expected an Email, got {type(email).__name__}.",
                remedy="Give an Email, or an Alert to send_alert.",
            )
        return self._dispatcher.send(email, Deadline.after(self.deadline))

    def send_alert(
        self,
        alert: Alert,
        *,
        subject: str = "",
        deadline: Deadline | None = None,
        **addressing: Unpack[AddressingArguments],
    ) -> Receipt:
        """Compose an alert and send it.

        Args:
            alert: What happened.
            subject: The subject, when it is not the alert's title.
            deadline: When its delivery has to end, if not after the mailer's own seconds.
            addressing: Sender, recipients and form of the mail: the fields of `Addressing`.
                The secrets among the transports' options are taken out in any case.

        Returns:
            The outcome for each recipient.

        Raises:
            AddressError: The sender is invalid, or there is no valid recipient.
            ConfigurationError: Another argument is unusable.
        """
        deadline = deadline or Deadline.after(self.deadline)
        require_alert(alert)
        return self._alerts.send(alert, Addressing(**addressing), as_text(subject), deadline)

    def finish_thread(self, thread: str, *, deadline: Deadline | None = None) -> list[Receipt]:
        """Send the digest of a run that has ended, if alerts of it were held back.

        Args:
            thread: The `Alert.thread` of the run's alerts.
            deadline: When that has to end, if not after the mailer's own seconds.

        Returns:
            The outcome of the digest, for each set of recipients.
        """
        return self._alerts.finish(thread, deadline or Deadline.after(self.deadline))

    def flush(
        self, *, limit: int | None = None, also: Collection[OutboxState] = ()
    ) -> list[Receipt]:
        """Send what waits in the ledger, the oldest first, and all that is held back.

        It ends early when two mails in a row fail for reasons that have nothing to do with
        them. Mails that are refused permanently, and those that wait for too long, become
        ``failed``. Each mail has the deadline to itself.

        Args:
            limit: How many mails to try at most.
            also: Whether to send those that are ``unknown`` (they may have arrived) or
                ``failed``, too.

        Returns:
            The outcome of each.
        """
        if self._dry_run:
            return []
        self._spooler.retry(also)
        flushed = self._resend(lambda: Deadline.after(self.deadline), limit, together=True)
        return [*flushed, *self._alerts.send_all()]

    def send_due(
        self, time_for_one: Callable[[], Deadline | None], *, together: bool = False
    ) -> Iterator[Receipt]:
        """Send the digests and the mails in the ledger that are due; a `Worker` calls it.

        Several threads may do so at once. Mails that failed lately rest, and two failures in
        a row end it.

        Args:
            time_for_one: Returns the deadline of the next mail, or None to stop.
            together: Whether mails may be sent together that share a deadline, instead of
                each when ``time_for_one`` says so.

        Yields:
            The outcome of each.
        """
        if not self._dry_run:
            yield from self._alerts.send_overdue(time_for_one)
            yield from self._resend(time_for_one, None, together=together)

    def backlog(self) -> tuple[int, float]:
        """Return how many mails wait in the ledger, and for how many seconds the oldest has.

        Raises:
            LedgerError: The ledger cannot be used.
        """
        return self._ledger.outbox.backlog() if self._ledger is not None else (0, 0.0)

    def _resend(
        self,
        time_for_one: Callable[[], Deadline | None],
        limit: int | None,
        *,
        proven: bool = False,
        together: bool = False,
    ) -> Iterator[Receipt]:
        return self._spooler.flush(
            self._dispatcher.resend,
            time_for_one,
            seconds=self.deadline,
            limit=limit,
            proven=proven,
            at_once=self._dispatcher.most_at_once if together or proven else 1,
        )

    def _send_waiting(self, deadline: Deadline) -> None:
        """Use the rest of the time of a mail that was delivered for those that wait."""

        def rest() -> Deadline | None:
            # A delivery that is cut short may end as unknown, and then stays where it is.
            return deadline if deadline.remaining() > self.deadline / 2 else None

        if self._spooler.scan_due():
            deque(self._resend(rest, _TAKEN_ALONG, proven=True), maxlen=0)
            if rest():
                deque(self._alerts.send_overdue(rest), maxlen=0)

    def hide(self, text: str, *, shapes: bool = False) -> str:
        """Return a text without the secrets of the transports' options, and their tokens.

        Args:
            text: Any text that is to be shown or kept.
            shapes: Whether what is secret by its name or shape is taken out, too.
        """
        return self._secrecy.hide(text, shapes=shapes)

    def verify(
        self, email: Email | None = None, *, report: Callable[[str, Check], None] | None = None
    ) -> dict[str, list[Check]]:
        """Check every transport's set-up without sending.

        Args:
            email: A mail whose sender and recipients to ask the server about.
            report: Called with the transport's name and each phase as it ends.

        Returns:
            The phases by transport; none for a transport that cannot check itself.
        """
        envelope = email.envelope if email is not None else None
        deadline = Deadline.after(self.deadline)
        return {
            route.name: self._verify(
                route,
                envelope,
                deadline.share(len(self._routes) - index),
                report or (lambda _transport, _check: None),
            )
            for index, route in enumerate(self._routes)
        }

    def _verify(
        self,
        route: Route,
        envelope: Envelope | None,
        deadline: Deadline,
        report: Callable[[str, Check], None],
    ) -> list[Check]:
        if not route.transport.verifies:
            return []
        from ..check import Check

        request = VerifyRequest(envelope, route.options, deadline, self._secrecy.fetch_token)
        found: list[Check] = []

        def told(text: str) -> str:
            return self._secrecy.tidy(route.advise(text))

        def note(check: Check) -> None:
            found.append(replace(check, detail=told(check.detail), remedy=told(check.remedy)))
            report(route.name, found[-1])

        def verify() -> None:
            for check in route.transport.verify(request):
                note(check)

        try:
            within(deadline, verify)
        except self.plugins.pass_through:
            raise
        except ZenmailError as error:
            note(Check.failed("set-up", error))
        except Exception as error:
            note(Check("set-up", "failed", f"{type(error).__name__}: {error}"))
        return [*found]


def _is_a(value: object, *kinds: type) -> bool:
    """Whether an untyped caller gave one of these."""
    return isinstance(value, kinds)


def _require(name: str, value: object, kind: type) -> None:
    if not isinstance(value, kind):
        raise ConfigurationError(
            f"{name} must be a {kind.__name__}, not {type(value).__name__}."
        )


def _seconds(deadline: float) -> float:
    if _is_a(deadline, float, int) and 0 < deadline <= _LONGEST_DEADLINE:
        return deadline
    raise ConfigurationError(
        f"The deadline cannot be {clean_line(as_text(deadline), limit=40)} seconds.",
        remedy="Give a number above 0, of at most 86,400 (a day).",
    )


def _pairs(fallbacks: Sequence[Fallback]) -> list[tuple[str, Mapping[str, Any]]]:
    items = [fallbacks] if isinstance(fallbacks, str) else fallbacks
    try:
        return [(item, {}) if isinstance(item, str) else (item[0], item[1]) for item in items]
    except (TypeError, LookupError):
        raise ConfigurationError(
            "A fallback must be a name, or a pair of name and options.",
            remedy='Write it like ["console", ("file", {"folder": "mails"})].',
        ) from None


def _ledger(given: str | os.PathLike[str] | Ledger | None) -> Ledger | None:
    if given is None or given in ("", "off"):
        return None
    from ..ledger.ledger import Ledger

    return given if isinstance(given, Ledger) else Ledger(given)


def _queue(delivery: str, seconds: float) -> Background | None:
    if delivery in ("now", "queue"):
        return None
    if delivery != "background":
        raise ConfigurationError(
            f"Unknown delivery mode {delivery!r}.", remedy="Choose now, background or queue."
        )
    from .background import Background

    return Background(seconds)


def _storms(limit: int | None, ledger: Ledger | None) -> list[Storms]:
    if limit is not None and (not _is_a(limit, int) or limit < 1):
        raise ConfigurationError(
            f"alerts_per_run cannot be {clean_line(as_text(limit), limit=40)}.",
            remedy="Give at least 1, or None for no limit.",
        )
    shared = [ledger.storms] if ledger is not None else []
    if limit is None:
        return shared
    from ..ledger.ledger import Ledger

    # Where the ledger cannot be used, each process counts for itself.
    return [*shared, Ledger(":memory:").storms]
