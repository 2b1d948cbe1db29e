"""One mail through the transports: retry and failover, recipient by recipient."""

import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..deadline import Deadline
from ..email import Email, Envelope
from ..errors import (
    DeadlineExceeded,
    DeliveryError,
    MailTooLarge,
    PermanentFailure,
    TemporaryFailure,
    UnknownOutcome,
)
from ..receipt import Outcome, Receipt
from ..retry import DeliveryPolicy
from ..runtime.forks import defer_forks
from ..transport import FetchToken, SendRequest
from .calls import Route, call_transport

if TYPE_CHECKING:
    from ..ledger.claim import Claim

__all__ = ["Attempts"]

_logger = logging.getLogger(__name__)
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 8.0


_Kind = Literal["deferred", "exhausted", "refused", "rejected", "broken"]
# The kinds that heal without anybody's doing.
_PASSING = frozenset({"deferred", "exhausted"})
# The codes of permanent failures that another set-up would not mend.
_ABOUT_THE_MAIL = frozenset({"too-large", "data-refused", "body-refused", "smtputf8"})
# The codes of what the sender's account may not do for now, regardless of the recipient.
_ABOUT_THE_ACCOUNT = frozenset({"quota", "rate"})


class _Verdict(NamedTuple):
    """What a transport last said of a recipient.

    ``deferred`` may succeed within this delivery, ``exhausted`` only after it; ``refused`` is
    about the recipient, ``rejected`` about the mail, ``broken`` about the transport.
    """

    kind: _Kind
    reason: str


_UNTRIED = _Verdict("deferred", "The deadline passed before a transport was tried.")


class Attempts:
    """The attempts to deliver one mail, and what is known of each of its recipients.

    Args:
        email: The mail.
        envelope: Who gets it.
        policy: What to do with a mail that may have arrived.
        pass_through: Exceptions that always leave.
        claim: Its entry in the outbox, which follows the delivery.

    Attributes:
        accepted: Those whose mail was taken over, in order.
        attempts: How often a transport was called.
    """

    def __init__(
        self,
        email: Email,
        envelope: Envelope,
        policy: DeliveryPolicy,
        *,
        pass_through: tuple[type[BaseException], ...] = (),
        claim: "Claim | None" = None,
    ) -> None:
        self.email = email
        self.envelope = envelope
        self.policy: DeliveryPolicy = policy
        self.accepted: dict[str, None] = {}
        self.attempts = 0
        self.transport = ""
        self.detail = ""
        self.code = ""
        self.remedy = ""
        self._pass_through = pass_through
        self._claim = claim
        self._early: Receipt | DeliveryError | None = None
        self._notes: list[str] = []
        self._unknown: dict[str, str] = {}
        self._not_retried: set[str] = set()
        self._remaining = list(envelope.recipients)
        self._verdicts: dict[str, dict[int, _Verdict]] = {}
        self._failures: dict[str, str] = {}
        self._not_before = Deadline(0.0)
        self._took: dict[int, float] = {}

    def run(
        self,
        routes: Sequence[Route],
        deadline: Deadline,
        fetch_token: FetchToken,
        *,
        rounds: int,
        hide: Callable[[str], str] = str,
    ) -> None:
        """Offer the mail to one transport after the other, again and again.

        Each gets an equal share of the time that is left, the last one all of it. Once
        every transport has had its turn, those that failed temporarily are retried
        after a pause that grows.

        Args:
            routes: The transports, in order.
            deadline: When to give up.
            fetch_token: For transports that log in with OAuth 2.
            rounds: At most how often all transports are tried.
            hide: Takes secrets out of what is logged, and makes a line of it.
        """
        for turn in range(rounds):
            if turn == 2:
                _logger.warning(
                    "%s Trying again for up to %.0f s.", hide(self.detail), deadline.remaining()
                )
            if turn and not _pause(turn, deadline, self._not_before):
                return
            tried = False
            for index, route in enumerate(routes):
                waiting = [one for one in range(index, len(routes)) if self._offer(one)]
                if index not in waiting or (self.attempts and deadline.expired):
                    continue
                if turn == 0 and self._failures:
                    name, why = list(self._failures.items())[-1]
                    _logger.warning(
                        "Transport %r cannot deliver (%s); trying %r.",
                        name,
                        hide(why),
                        route.name,
                    )
                share = deadline.share(len(waiting))
                if turn and not self._time_for(index, share):
                    continue
                tried = True
                self._attempt(index, route, share, fetch_token)
                # Retry once before failing over.
                once_more = turn == 0 and len(waiting) > 1 and self._offer(index)
                if not (once_more and _pause(1, share, self._not_before)):
                    continue
                if self._time_for(index, share):
                    self._attempt(index, route, share, fetch_token)
            if not (tried and self._remaining) or not any(map(self._offer, range(len(routes)))):
                return

    def _time_for(self, index: int, deadline: Deadline) -> bool:
        """Return whether a retry can take as long as the last time the transport answered.

        One that is cut short while the mail travels would end as unknown, though it was
        known that nobody had the mail.
        """
        return deadline.remaining() >= self._took.get(index, 0.0)

    def _offer(self, index: int) -> list[str]:
        """Return those still without the mail whom this transport may take."""
        if not self._verdicts:
            return self._remaining
        offered = []
        for address in self._remaining:
            verdict = self._verdicts.get(address, {}).get(index)
            if verdict is None or verdict.kind == "deferred":
                offered.append(address)
        return offered

    def _attempt(
        self, index: int, route: Route, deadline: Deadline, fetch_token: FetchToken
    ) -> None:
        offered = self._offer(index)
        before = deadline.remaining()
        try:
            receipt = self._call(offered, route, deadline, fetch_token)
        except DeliveryError as error:
            # How long a server was silent says nothing of how long it takes to answer.
            if not isinstance(error, DeadlineExceeded):
                self._took[index] = before - deadline.remaining()
            self._fail(index, route.name, offered, error)
        else:
            self._took[index] = before - deadline.remaining()
            self._record(index, route.name, offered, receipt)
        self.remedy = route.advise(self.remedy)
        self._remaining = [
            address
            for address in self._remaining
            if address not in self.accepted and address not in self._not_retried
        ]
        if self._claim is not None:
            doubtful = [address for address in self._unknown if address in self._not_retried]
            self._claim.answered(self._remaining, doubtful)

    def request(
        self, offered: Sequence[str], route: Route, deadline: Deadline, fetch_token: FetchToken
    ) -> SendRequest[Any]:
        """Return what the transport is given, which will be called next."""
        everybody = len(offered) == len(self.envelope.recipients)
        envelope = self.envelope if everybody else self.envelope.to(offered)
        if self._claim is not None:
            self._claim.started()
        return SendRequest(self.email, envelope, route.options, deadline, fetch_token)

    def answer_first_call(self, answer: Receipt | DeliveryError) -> None:
        """Take what the first transport has said already in place of calling it."""
        self._early = answer

    @property
    def arrived(self) -> bool:
        """Whether the first call is answered already: everybody has the mail."""
        early = self._early
        return isinstance(early, Receipt) and early.accepted == self.envelope.recipients

    def _call(
        self, offered: Sequence[str], route: Route, deadline: Deadline, fetch_token: FetchToken
    ) -> Receipt:
        self.attempts += 1
        try:
            early, self._early = self._early, None
            if isinstance(early, DeliveryError):
                raise early
            if early is not None:
                return early
            request = self.request(offered, route, deadline, fetch_token)
            return call_transport(route.transport, request, self._pass_through)
        except MailTooLarge as error:
            with defer_forks():
                from ..composing.shorten import shorten
            shorter = shorten(self.email, error.limit)
            if shorter is None:
                raise
            most = f"at most {error.limit:,} bytes" if error.limit else "less"
            self._note(
                f"The mail was shortened from {self.email.size():,} to {shorter.size():,} "
                f"bytes, because the server takes {most}."
            )
        self.attempts += 1
        request = self.request(offered, route, deadline, fetch_token)
        return call_transport(
            route.transport, replace(request, email=shorter), self._pass_through
        )

    def _record(self, index: int, name: str, offered: Sequence[str], receipt: Receipt) -> None:
        """Take over what a transport says of the recipients it was given."""
        reasons: list[str] = []
        trouble = receipt.refused or receipt.deferred or receipt.unknown
        if trouble or receipt.accepted != tuple(offered):
            reasons = self._judge_each(index, name, offered, receipt)
        else:
            self.accepted.update(dict.fromkeys(offered))
        self._failures.pop(name, None)
        if reasons:
            self._failures[name] = reasons[0]
        self.transport = name
        if reasons or all(address in self.accepted for address in self._remaining):
            self.code, self.remedy = receipt.code, receipt.remedy
            self.detail = reasons[0] if reasons else receipt.detail
        # Else what was said before of those who are left stands.
        for note in receipt.notes:
            self._note(note)

    def _judge_each(
        self, index: int, name: str, offered: Sequence[str], receipt: Receipt
    ) -> list[str]:
        """Judge the recipients one by one; return why some are left without the mail."""
        given = {*offered, *(address.casefold() for address in offered)}
        said: dict[str, tuple[str, str]] = {}
        for kind, addresses in (
            ("accepted", dict.fromkeys(receipt.accepted, "")),
            ("unknown", receipt.unknown),
            ("deferred", receipt.deferred),
            ("refused", receipt.refused),
        ):
            for address, why in addresses.items():
                # As it was given, else without regard to case.
                said[address if address in given else address.casefold()] = kind, why or kind
        if strangers := sorted(said.keys() - given):
            self._note(
                f"The transport {name!r} reported recipients it was not given: "
                f"{', '.join(strangers[:5])}."
            )
        reasons: list[str] = []
        silent = "silent", f"The transport {name!r} did not report on this recipient."
        for address in offered:
            kind, why = said.get(address) or said.get(address.casefold(), silent)
            if kind == "accepted":
                self.accepted[address] = None
                continue
            reasons.append(why)
            if kind in ("unknown", "silent"):
                self._mark_unknown(address, why)
            if kind == "silent":
                # It came back, so sending again would only repeat what it did.
                self._not_retried.add(address)
            elif kind == "refused":
                self._judge(address, index, "refused", why)
            else:
                about_us = kind == "deferred" and receipt.code in _ABOUT_THE_ACCOUNT
                self._judge(address, index, "exhausted" if about_us else "deferred", why)
        return reasons

    def _fail(
        self, index: int, name: str, offered: Sequence[str], error: DeliveryError
    ) -> None:
        """Take over a failure that concerns everybody the transport was given."""
        if isinstance(error, TemporaryFailure):
            asked = Deadline.after(error.retry_after)
            self._not_before = max(self._not_before, asked, key=lambda one: one.expires_at)
        kind: _Kind = "deferred"
        if error.code in _ABOUT_THE_ACCOUNT:
            kind = "exhausted"
        elif isinstance(error, PermanentFailure):
            kind = "rejected" if error.code in _ABOUT_THE_MAIL else "broken"
        for address in offered:
            self._judge(address, index, kind, error.message)
            if isinstance(error, UnknownOutcome):
                self._mark_unknown(address, error.message)
        if kind in ("broken", "exhausted"):
            for address in self.envelope.recipients:
                self._verdicts.setdefault(address, {}).setdefault(
                    index, _Verdict(kind, error.message)
                )
        if isinstance(error, DeadlineExceeded) and name == self.transport in self._failures:
            # Why the time was used up says more than that it was.
            self._note(f"{name}: {error.message}")
            return
        self._failures.pop(name, None)
        self._failures[name] = error.message
        self.transport, self.detail = name, error.message
        self.code, self.remedy = error.code, error.remedy

    def _judge(self, address: str, index: int, kind: _Kind, reason: str) -> None:
        self._verdicts.setdefault(address, {})[index] = _Verdict(kind, reason)

    def _mark_unknown(self, address: str, reason: str) -> None:
        self._unknown[address] = reason
        if self.policy == "at_most_once":
            self._not_retried.add(address)

    def _note(self, note: str) -> None:
        if note not in self._notes:
            self._notes.append(note)

    def unknown(self) -> dict[str, str]:
        """Return those who may have the mail, with the reason for the doubt."""
        return {
            address: why
            for address, why in self._unknown.items()
            if address not in self.accepted
        }

    def refused(self) -> dict[str, str]:
        """Return those whom every transport refused permanently, with the last reason."""
        return {
            address: verdicts[-1].reason
            for address, verdicts in self._last_words()
            if all(verdict.kind not in _PASSING for verdict in verdicts)
        }

    def deferred(self) -> dict[str, str]:
        """Return those whom some transport may still take, with its last reason."""
        return {
            address: passing[-1].reason
            for address, verdicts in self._last_words()
            if (passing := [verdict for verdict in verdicts if verdict.kind in _PASSING])
        }

    def worth_keeping(self) -> dict[str, str]:
        """Return those who would get the mail later, or from a mended set-up."""
        return {
            address: verdicts[-1].reason
            for address, verdicts in self._last_words(with_doubt=True)
            if any(verdict.kind in {*_PASSING, "broken"} for verdict in verdicts)
        }

    def _last_words(self, *, with_doubt: bool = False) -> Iterator[tuple[str, list[_Verdict]]]:
        for address in self._remaining:
            if with_doubt or address not in self._unknown:
                yield address, list(self._verdicts.get(address, {}).values()) or [_UNTRIED]

    @property
    def complete(self) -> bool:
        """Whether every recipient's mail was taken over."""
        return not (self._remaining or self._unknown)

    def outcome(self) -> Outcome:
        """Return the whole in a word."""
        if self._unknown and self.unknown():
            return "unknown"
        if not self._remaining:
            return "delivered"
        if self.accepted:
            return "partial"
        return "deferred" if self.deferred() else "refused"

    def notes(self) -> tuple[str, ...]:
        """Return the notes, and why the transports before the last one did not deliver."""
        others = [
            f"Transport {name!r} could not deliver: {why}"
            for name, why in self._failures.items()
            if name != self.transport
        ]
        return (*others, *self._notes)


def _pause(turn: int, deadline: Deadline, not_before: Deadline) -> bool:
    """Wait before another attempt; return False when no time is left for one.

    Args:
        turn: How many attempts there were.
        deadline: When to give up.
        not_before: The moment that a server asked to wait for.
    """
    longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (turn - 1))
    pause = longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
    pause = max(pause, not_before.remaining())
    if pause >= deadline.remaining():
        return False
    time.sleep(pause)
    return True
