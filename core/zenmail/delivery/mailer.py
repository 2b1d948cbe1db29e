"""The host around every transport: one deadline, retry, failover, redirect, outbox."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..address import parse_mailbox, split_addresses
from ..clean import as_text, clean_line
from ..composing.compose import compose, require_alert
from ..composing.shorten import without_missing_files
from ..deadline import Deadline
from ..email import Email, Envelope
from ..errors import ConfigurationError, OptionsError, ZenmailError
from ..plugins import PluginHost
from ..receipt import Receipt
from ..redaction.own_secrets import own_secrets
from ..runtime.forks import defer_forks
from ..tokens import AccessToken, TokenRequest
from ..transport import Check, TransportOptions, VerifyRequest, secret_values
from .attempts import Delivery, DeliveryPolicy, Route, within

if TYPE_CHECKING:
    from ..alert import Alert
    from ..ledger.outbox import Claim, Outbox, OutboxState
    from ..ledger.storms import Addressing, Digest
    from .background import Background
    from .redirect import Redirect

__all__ = ["DeliveryMode", "DeliveryPolicy", "Mailer"]

DeliveryMode = Literal["now", "background"]

_logger = logging.getLogger(__name__)
_LONGEST_REASON = 1000
_LONGEST_DEADLINE = 86_400.0
_FLUSHED_PER_SEND = 20
_TOKENS_KNOWN = 8
# How long a mail that was tried in vain is left alone by later sends, in seconds; doubled
# with each try.
_FIRST_REST = 15.0
_LONGEST_REST = 900.0


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
        outbox: A folder, the URL of one, or an `Outbox`, that keeps what cannot be delivered.
        delivery: ``now``: `send` returns when the outcome is known. ``background``: it
            returns at once and a thread delivers; the process waits for that at its end,
            for no longer than the deadline, and what fails is logged and left to the outbox.
        alerts_per_run: How many alerts with the same `Alert.thread` are sent alone; the
            rest goes into one digest. None for no limit.
        policy: What to do when the answer is lost after the mail was sent:
            ``at_most_once`` leaves it, ``at_least_once`` sends it again.
        max_attempts: How often the transports are gone through at the most.
        plugins: Where transports and middleware come from.
        pass_through: Exceptions, raised by signal handlers, that are nobody's failure
            and always leave ``send``.

    Raises:
        ConfigurationError: The transport, its options or an address is unusable.
    """

    @defer_forks()  # it imports what it will need
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
        outbox: str | os.PathLike[str] | Outbox | None = None,
        delivery: DeliveryMode = "now",
        alerts_per_run: int | None = None,
        policy: DeliveryPolicy = "at_most_once",
        max_attempts: int = 10,
        plugins: PluginHost | None = None,
        pass_through: tuple[type[BaseException], ...] = (),
    ) -> None:
        if not (_is_a(deadline, float, int) and 0 < deadline <= _LONGEST_DEADLINE):
            raise ConfigurationError(
                f"The deadline is {clean_line(as_text(deadline), limit=40)} seconds.",
                remedy="Give a number above 0, and no more than a day's 86,400.",
            )
        if policy not in ("at_most_once", "at_least_once"):
            raise ConfigurationError(
                f"{policy!r} is no policy.", remedy="Choose at_most_once or at_least_once."
            )
        self.deadline = deadline
        self.plugins = plugins or PluginHost(pass_through=pass_through)
        # Here, where no other thread is at it yet.
        self.plugins.load_middleware()
        self._pass_through = pass_through
        self._policy: DeliveryPolicy = policy
        if not _is_a(max_attempts, int):
            raise ConfigurationError("max_attempts is no number.", remedy="Give one.")
        self._max_attempts = max(1, max_attempts)
        self._dry_run = dry_run
        self._redirect: Redirect | None = None
        if redirect_to or redirect_allow:
            from .redirect import Redirect

            self._redirect = Redirect(redirect_to, redirect_allow)
        self._outbox = _outbox(outbox)
        if delivery not in ("now", "background"):
            raise ConfigurationError(
                f"{delivery!r} is no way of delivery.", remedy="Choose now or background."
            )
        self._background: Background | None = None
        if delivery == "background":
            from .background import Background

            self._background = Background(deadline)
        if alerts_per_run is not None and (
            not _is_a(alerts_per_run, int) or alerts_per_run < 1
        ):
            raise ConfigurationError(
                f"alerts_per_run is {clean_line(as_text(alerts_per_run), limit=40)}.",
                remedy="Give at least 1, or None for no limit.",
            )
        self._alerts_per_run = alerts_per_run
        self._resting: dict[str, float] = {}
        pairs = [(transport, {} if options is None else options), *_pairs(fallbacks)]
        self._routes = [self._route(name, given) for name, given in pairs]
        self._secrets = sorted(
            {secret for route in self._routes for secret in secret_values(route.options)},
            key=len,
            reverse=True,
        )
        self._tokens: tuple[str, ...] = ()
        shared = self._outbox.location if self._outbox and self._outbox.local else None
        self._storms = None
        if alerts_per_run is not None or shared is not None:
            from ..ledger.storms import StormGuard

            self._storms = StormGuard(alerts_per_run or 0, shared, self.hide)

    def _route(self, name: str, options: Mapping[str, Any] | TransportOptions) -> Route:
        if not _is_a(name, str):
            raise ConfigurationError(
                f"A {type(name).__name__} is no transport's name.",
                remedy='Give a name such as "smtp"; `zenmail transports` lists them.',
            )
        transport = self.plugins.transport(name)
        if not isinstance(options, TransportOptions | Mapping):
            raise OptionsError(
                f"The options are a {type(options).__name__}.",
                transport=name,
                remedy="Give a mapping of their names to their values.",
            )
        if not isinstance(options, TransportOptions):
            return Route(transport, transport.parse_options(options))
        if not isinstance(options, transport.options_type):
            raise OptionsError(
                f"It takes {transport.options_type.__name__}, not {type(options).__name__}.",
                transport=name,
            )
        return Route(transport, options)

    def __enter__(self) -> Mailer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Finish what is under way, send the digests that are due, close every connection.

        That takes no longer than the deadline for the queue, and as long for the digests.
        """
        if self._background is not None:
            self._background.close()
        if self._storms is not None:
            self._storms.close()
            for digest in self._storms.leave(self.deadline):
                self._send_digest(digest)
        self.plugins.close()

    def send(self, email: Email) -> Receipt:
        """Send one mail; what happened to it is in the receipt, never an exception.

        Args:
            email: The mail.

        Returns:
            What became of it, recipient by recipient.

        Raises:
            ConfigurationError: It is no `Email`.
        """
        if not _is_a(email, Email):
            raise ConfigurationError(
                f"A {type(email).__name__} cannot be sent.",
                remedy="Give an Email, or an Alert to send_alert.",
            )
        deadline = Deadline.after(self.deadline)
        email = self.plugins.before_send(email, email.envelope)
        email, envelope = self._redirected(email, email.envelope)
        if self._dry_run:
            receipt = Receipt(
                outcome="skipped",
                detail="A dry run: nothing was sent.",
                message_id=email.message_id,
                transport=self._routes[0].name,
            )
            self.plugins.after_send(receipt, email)
            return receipt
        if self._background is not None:
            queued = self._queue(self._background, email, envelope)
            if queued is not None:
                return queued
        return self._send(email, envelope, deadline, *self._begin(email, envelope))

    def _send(
        self,
        email: Email,
        envelope: Envelope,
        deadline: Deadline,
        claim: Claim | None,
        trouble: str = "",
    ) -> Receipt:
        """Deliver a mail, and use the rest of the time for those that wait."""
        receipt = self._deliver(without_missing_files(email), envelope, deadline, claim=claim)
        if trouble and trouble not in receipt.notes:
            receipt = receipt.model_copy(update={"notes": (*receipt.notes, trouble)})
        self.plugins.after_send(receipt, email)
        if receipt.accepted:
            self._flush_some(deadline)
        return receipt

    def _begin(
        self, email: Email, envelope: Envelope, *, waits: bool = False
    ) -> tuple[Claim | None, str]:
        """Note a mail down in the outbox; return what stands in the way, too."""
        if self._outbox is None or not self._outbox.local:
            return None, ""
        try:
            return self._outbox.begin(email, envelope, self._policy, waits=waits), ""
        except OSError as error:
            trouble = f"The outbox {self._outbox} takes no mail: {_why(error)}"
            _logger.warning("%s", trouble)
            return None, trouble

    def _queue(
        self, background: Background, email: Email, envelope: Envelope
    ) -> Receipt | None:
        """Leave a mail to the background delivery; return None when that cannot take it."""
        claim, trouble = self._begin(email, envelope, waits=True)

        def work(deadline: Deadline) -> None:
            receipt = self._send(email, envelope, deadline, claim, trouble)
            if receipt.outcome != "delivered":
                _logger.error(
                    "Mail %r to %s: %s. %s",
                    email.subject,
                    ", ".join(envelope.recipients),
                    receipt.describe(),
                    receipt.remedy,
                )

        def give_up() -> None:
            self._give_up(email, envelope, claim)

        if background.submit(work, give_up, size=email.size() if claim is None else 0):
            return Receipt(
                outcome="queued",
                detail="The background delivery has it.",
                message_id=email.message_id,
                transport=self._routes[0].name,
                notes=(trouble,) if trouble else (),
            )
        if claim is not None:
            with contextlib.suppress(OSError):
                claim.done()
        return None

    def _give_up(self, email: Email, envelope: Envelope, claim: Claim | None) -> None:
        """Leave a queued mail to the outbox, since this process ends."""
        why = "The process ended before its turn came."
        try:
            if claim is not None:
                claim.abandon(why)
            elif self._outbox is not None:
                self._outbox.add(email, envelope, self._policy, reason=why)
            else:
                raise OSError("there is no outbox to keep it in")
        except OSError as error:
            _logger.error(
                "Mail %r to %s is lost: %s %s",
                email.subject,
                ", ".join(envelope.recipients),
                why,
                _why(error),
            )

    def flush(
        self, *, limit: int | None = None, also: Collection[OutboxState] = ()
    ) -> list[Receipt]:
        """Send what waits in the outbox, the oldest first, and digests nobody cares for.

        It ends early when two mails in a row fail for reasons that have nothing to do with
        them. Mails that are refused for good, and those that wait for too long, are moved
        to the outbox's folder ``failed``. Each mail has the deadline to itself.

        Args:
            limit: How many mails to try at the most.
            also: Whether to send those, too, that are ``unknown`` (they may have arrived)
                or ``failed``.

        Returns:
            What became of each.
        """
        if self._outbox is None or self._dry_run:
            return []
        try:
            for item in self._outbox.list() if also else ():
                if item.state in also and item.state in ("unknown", "failed"):
                    self._outbox.retry(item.name)
        except (OSError, ConfigurationError) as error:
            _logger.error("The outbox %s cannot be read: %s", self._outbox, error)
        receipts = self._flush(lambda: Deadline.after(self.deadline), limit, in_passing=False)
        if self._storms is not None:
            receipts += [self._send_digest(digest) for digest in self._storms.orphaned()]
        return receipts

    def _flush_some(self, deadline: Deadline) -> None:
        """Use the rest of the time of a mail that was delivered for those that wait."""

        def rest() -> Deadline | None:
            # A delivery that is cut short may end as unknown, and then stays where it is.
            return deadline if deadline.remaining() > self.deadline / 2 else None

        if self._outbox is not None and self._outbox.worth_a_look():
            self._flush(rest, _FLUSHED_PER_SEND, in_passing=True)
        if self._storms is not None and rest() is not None:
            for digest in self._storms.quiet():
                self._send_digest(digest)

    def _flush(
        self,
        time_for_one: Callable[[], Deadline | None],
        limit: int | None,
        *,
        in_passing: bool,
    ) -> list[Receipt]:
        assert self._outbox is not None
        receipts: list[Receipt] = []
        failures = 0
        # In passing, a mail has just been delivered: the transports work.
        proven = in_passing
        try:
            self._outbox.recover()
            names = list(self._outbox.waiting())
            if in_passing:
                names = self._rested(names)
            if limit is not None and len(names) > limit:
                # Those at the head may fail again and again; the others get their turn.
                names = sorted(random.sample(names, limit))
            for name in names:
                deadline = time_for_one()
                if deadline is None or failures > 1:
                    break
                claim = self._outbox.claim(name)
                if claim is None:
                    continue
                receipt = self._flush_one(claim, deadline, proven=proven)
                self._rest(claim, receipt)
                proven = proven or bool(receipt.accepted)
                failures = 0 if receipt.accepted or receipt.refused else failures + 1
                receipts.append(receipt)
        except OSError as error:
            _logger.error("The outbox %s cannot be flushed: %s", self._outbox, _why(error))
        return receipts

    def _rested(self, names: Sequence[str]) -> list[str]:
        """Return those that this process has not just tried in vain."""
        now = time.monotonic()
        self._resting = {name: till for name, till in self._resting.items() if name in names}
        return [name for name in names if self._resting.get(name, now) <= now]

    def _rest(self, claim: Claim, receipt: Receipt) -> None:
        if receipt.outcome == "spooled":
            pause = min(_LONGEST_REST, _FIRST_REST * 2.0**claim.entry.tries)
            self._resting[claim.name] = time.monotonic() + pause

    def _flush_one(self, claim: Claim, deadline: Deadline, *, proven: bool) -> Receipt:
        entry = claim.entry
        email, envelope = self._redirected(entry.email, entry.envelope, flushing=True)
        receipt = self._deliver(
            email, envelope, deadline, claim=claim, flushing=True, proven=proven
        )
        self.plugins.after_send(receipt, email)
        waits = receipt.outcome in ("delivered", "spooled")
        level = logging.INFO if waits else logging.ERROR
        _logger.log(
            level,
            "Mail %s out of the outbox: %s. %s",
            claim.name,
            receipt.describe(),
            receipt.remedy,
        )
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
        templates: str | Path | None = None,
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
        with defer_forks():
            from ..ledger.storms import Addressing

        require_alert(alert)
        alert = self.plugins.before_render(alert)
        addressing = Addressing(
            sender=sender,
            to=split_addresses(to),
            cc=split_addresses(cc),
            bcc=split_addresses(bcc),
            reply_to=split_addresses(reply_to),
            subject_prefix=as_text(subject_prefix),
            include_html=include_html,
            templates=os.fspath(templates) if isinstance(templates, os.PathLike) else templates,
            redact=redact,
        )
        held = self._hold_back(alert, addressing)
        return held or self.send(self._compose(alert, addressing, as_text(subject)))

    def finish_thread(self, thread: str) -> list[Receipt]:
        """Send the digest of a run that has ended, if alerts of it were held back.

        Args:
            thread: The `Alert.thread` of the run's alerts.

        Returns:
            What became of the digest, for each set of recipients.
        """
        if self._storms is None or not thread or self._dry_run:
            return []
        return [self._send_digest(digest) for digest in self._storms.finish(thread)]

    def _compose(self, alert: Alert, addressing: Addressing, subject: str = "") -> Email:
        if alert.list_id != (list_id := self.hide(alert.list_id)):
            alert = alert.replace(list_id=list_id)
        headers = {
            name: text for name, text in alert.headers.items() if name == self.hide(name)
        }
        if len(headers) < len(alert.headers):
            alert = alert.replace(headers=headers)
        try:
            return compose(
                alert,
                sender=addressing.sender,
                to=addressing.to,
                cc=addressing.cc,
                bcc=addressing.bcc,
                reply_to=addressing.reply_to,
                subject=self.hide(subject),
                subject_prefix=self.hide(addressing.subject_prefix),
                include_html=addressing.include_html,
                secrets=(*self._secrets, *self._tokens),
                templates=addressing.templates,
                redact=addressing.redact,
                pass_through=self._pass_through,
            )
        except ZenmailError as error:
            # It quotes what it refuses.
            error.message = self.hide(error.message)
            error.args = (error.message,)
            raise

    def _hold_back(self, alert: Alert, addressing: Addressing) -> Receipt | None:
        """Return the receipt of an alert that is left to a digest, or None."""
        if self._storms is None or self._alerts_per_run is None or self._dry_run:
            return None
        everybody = (*addressing.to, *addressing.cc, *addressing.bcc, *addressing.reply_to)
        for item in (addressing.sender, *everybody):
            parse_mailbox(item)
        if self._storms.admit(alert, addressing):
            return None
        self._storms.watch(self._send_digest, self.deadline)
        return Receipt(
            outcome="skipped",
            code="held-back",
            detail=f"Held back for a digest: {self._alerts_per_run} alerts of this run were "
            "sent alone.",
            transport=self._routes[0].name,
        )

    def _send_digest(self, digest: Digest) -> Receipt:
        assert self._storms is not None
        sent = False
        try:
            alert = self.plugins.before_render(digest.alert())
            email = self._compose(alert, digest.addressing)
            email = self.plugins.before_send(email, email.envelope)
            email, envelope = self._redirected(email, email.envelope)
            deadline = Deadline.after(self.deadline)
            receipt = self._send(email, envelope, deadline, *self._begin(email, envelope))
            sent = receipt.outcome != "deferred"
        except ZenmailError as error:
            # It cannot be composed, now or later; the log is the last to hear of it.
            sent = True
            receipt = Receipt(
                outcome="refused", detail=self._tidy(error.message), code=error.code
            )
        finally:
            self._storms.settle(digest, sent=sent)
        if not receipt.delivered:
            _logger.error(
                "The digest of %d alerts of %s to %s: %s. %s",
                digest.total,
                digest.thread,
                ", ".join(digest.addressing.to),
                receipt.describe(),
                receipt.remedy,
            )
        return receipt

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
            route.name: self._verify(route, envelope, deadline.share(len(self._routes) - index))
            for index, route in enumerate(self._routes)
        }

    def hide(self, text: str, *, shapes: bool = False) -> str:
        """Return a text without the secrets of the transports' options, and their tokens.

        Args:
            text: Any text that is to be shown or kept.
            shapes: Whether what is secret by its name or shape is taken out, too.
        """
        own = (*self._secrets, *self._tokens)
        if not shapes:
            return own_secrets(own).without(text)[0]
        with defer_forks():
            from ..redaction.redact import Redactor
        return Redactor(own).text(text)

    def _verify(
        self, route: Route, envelope: Envelope | None, deadline: Deadline
    ) -> list[Check]:
        if not route.transport.verifies:
            return []
        request = VerifyRequest(envelope, route.options, deadline, self._fetch_token)
        try:
            found = within(deadline, lambda: route.transport.verify(request))
        except self._pass_through:
            raise
        except ZenmailError as error:
            found = [Check("set-up", "failed", error.message, error.remedy, code=error.code)]
        except Exception as error:
            found = [Check("set-up", "failed", f"{type(error).__name__}: {error}")]
        return [
            replace(check, detail=self._tidy(check.detail), remedy=self._tidy(check.remedy))
            for check in found
        ]

    def _redirected(
        self, email: Email, envelope: Envelope, *, flushing: bool = False
    ) -> tuple[Email, Envelope]:
        if self._redirect is None:
            return email, envelope
        return self._redirect.apply(email, envelope, flushing=flushing)

    def _deliver(
        self,
        email: Email,
        envelope: Envelope,
        deadline: Deadline,
        *,
        claim: Claim | None = None,
        flushing: bool = False,
        proven: bool = False,
    ) -> Receipt:
        """Run one delivery, and see to what is left of it."""
        started = time.monotonic()
        delivery = Delivery(
            email,
            envelope,
            claim.entry.policy if claim is not None else self._policy,
            pass_through=self._pass_through,
            progress=claim,
        )
        try:
            delivery.run(
                self._routes,
                deadline,
                self._fetch_token,
                rounds=1 if flushing else self._max_attempts,
                hide=self._tidy,
            )
        except BaseException:
            if claim is not None:
                with contextlib.suppress(OSError):
                    claim.abandon("Its delivery was interrupted.")
            raise
        receipt = self._receipt(delivery, time.monotonic() - started)
        if self._outbox is not None:
            receipt = self._settle(
                receipt, delivery, claim, flushing=flushing, proven=proven or receipt.delivered
            )
        return receipt

    def _settle(
        self,
        receipt: Receipt,
        delivery: Delivery,
        claim: Claim | None,
        *,
        flushing: bool,
        proven: bool,
    ) -> Receipt:
        """Keep in the outbox whatever has not arrived, and take out what has."""
        keep = delivery.worth_keeping()
        lost: dict[str, str] = {}
        if flushing:
            # A transport that works for others and not for this mail will not take it later.
            if proven and not delivery.deferred():
                keep = {}
            lost = {name: why for name, why in delivery.refused().items() if name not in keep}
        doubtful = {name: why for name, why in delivery.unknown().items() if name not in keep}
        parts: list[tuple[OutboxState, dict[str, str]]] = [
            ("waiting", keep),
            ("unknown", doubtful),
            ("failed", lost),
        ]
        parts = [(state, reasons) for state, reasons in parts if reasons]
        spooled, trouble = "", ""
        try:
            # The claim moves last: until then it stands for everybody, should we crash.
            for number, (state, reasons) in reversed([*enumerate(parts)]):
                held = None if number else claim
                spooled = self._keep(delivery, held, state, reasons, receipt, flushing=flushing)
            if claim is not None and not parts:
                claim.done()
        except OSError as error:
            trouble = f"The outbox {self._outbox} cannot keep the mail: {_why(error)}"
            _logger.error("%s", self.hide(trouble))
        if trouble:
            return receipt.model_copy(update={"notes": (*receipt.notes, self.hide(trouble))})
        if not keep:
            return receipt.model_copy(update={"spooled": spooled})
        return receipt.model_copy(
            update={
                "outcome": "unknown" if doubtful else "spooled",
                "spooled": spooled,
                "deferred": {name: self._tidy(why) for name, why in keep.items()},
                "refused": {
                    name: why for name, why in receipt.refused.items() if name not in keep
                },
                "unknown": {
                    name: why for name, why in receipt.unknown.items() if name not in keep
                },
            }
        )

    def _keep(
        self,
        delivery: Delivery,
        claim: Claim | None,
        state: OutboxState,
        reasons: Mapping[str, str],
        receipt: Receipt,
        *,
        flushing: bool,
    ) -> str:
        assert self._outbox is not None
        why = {"transport": receipt.transport, "reason": receipt.detail, "code": receipt.code}
        if claim is not None:
            claim.move_out(state, list(reasons), tried=flushing, **why)
            return claim.name
        return self._outbox.add(
            delivery.email, delivery.envelope.to(reasons), delivery.policy, state=state, **why
        )

    def _receipt(self, delivery: Delivery, seconds: float) -> Receipt:
        refused: dict[str, str] = {}
        deferred: dict[str, str] = {}
        unknown: dict[str, str] = {}
        if not delivery.complete:
            refused = self._tidy_all(delivery.refused())
            deferred = self._tidy_all(delivery.deferred())
            unknown = self._tidy_all(delivery.unknown())
        return Receipt(
            outcome=delivery.outcome(),
            accepted=tuple(delivery.accepted),
            refused=refused,
            deferred=deferred,
            unknown=unknown,
            detail=self._tidy(delivery.detail),
            code=self._tidy(delivery.code),
            remedy=self._tidy(delivery.remedy),
            attempts=delivery.attempts,
            message_id=delivery.email.message_id,
            transport=delivery.transport,
            notes=tuple(map(self._tidy, delivery.notes())),
            seconds=seconds,
        )

    def _fetch_token(self, source: str, request: TokenRequest) -> AccessToken:
        """Fetch a token, and know it when a server or a transport quotes it."""
        token = self.plugins.fetch_token(source, request)
        value = token.value.get_secret_value()
        if value not in self._tokens:
            self._tokens = (*self._tokens, value)[-_TOKENS_KNOWN:]
        return token

    def _tidy(self, text: str) -> str:
        # A stranger's transport may put anything there; mostly there is nothing. Cleaning
        # may change a secret, cut it, or put it together.
        return text and self.hide(clean_line(self.hide(text), limit=_LONGEST_REASON))

    def _tidy_all(self, reasons: Mapping[str, str]) -> dict[str, str]:
        return {address: self._tidy(why) for address, why in reasons.items()}


def _outbox(given: str | os.PathLike[str] | Outbox | None) -> Outbox | None:
    if given is None or given == "":
        return None
    from ..ledger.outbox import Outbox

    return given if isinstance(given, Outbox) else Outbox(given)


def _is_a(value: object, *kinds: type) -> bool:
    """Whether a caller who knows no types gave one of these."""
    return isinstance(value, kinds)


def _pairs(
    fallbacks: Sequence[str | tuple[str, Mapping[str, Any]]],
) -> list[tuple[str, Mapping[str, Any]]]:
    items = [fallbacks] if isinstance(fallbacks, str) else fallbacks
    pairs: list[tuple[str, Mapping[str, Any]]] = []
    if isinstance(items, list | tuple):
        for item in items:
            pair = (item, {}) if isinstance(item, str) else item
            if not (isinstance(pair, tuple | list) and len(pair) == 2):
                break
            if not isinstance(pair[0], str):
                break
            pairs.append((pair[0], pair[1]))
        else:
            return pairs
    raise ConfigurationError(
        "A fallback is neither a name nor a pair of name and options.",
        remedy='Give such as ["console", ("file", {"folder": "mails"})].',
    )


def _why(error: OSError) -> str:
    return clean_line(f"{error.strerror or error}", limit=300)
