"""Everything that is kept of one server: TLS context, connections, token, its quirks."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING

from zenmail import (
    Deadline,
    DeliveryError,
    Email,
    Envelope,
    FetchToken,
    Receipt,
    SendRequest,
    TemporaryFailure,
    UnknownOutcome,
    ZenmailError,
)
from zenmail.runtime.forks import defer_forks, reset_after_fork

from .advice import too_many_recipients
from .auth import Credentials, Login, TokenRefused
from .dialogue import Capabilities, probe
from .limits import Pace, limits_of
from .options import SMTPOptions, build_context
from .outcome import Outcome
from .pool import Pool
from .reach import Address, resolve
from .replies import Reply
from .session import Session
from .transaction import ChunkingBroken, Transaction
from .wire import Lost

if TYPE_CHECKING:
    from .window import Verdict

__all__ = ["Relay"]

# A connection idle for longer may be dead without a sign of it: firewalls forget silently.
# Then NOOP goes first, so that its loss is certainly not a mail's.
_CAUTION_AFTER = 0.5
# The extensions that are not used again for a while when a connection breaks over them.
_ON_TRIAL = frozenset({"PIPELINING", "CHUNKING"})
# How long a server is not asked again for an extension that failed.
_BARRED_FOR = 600.0
# The time of which NOOP on a connection that was idle gets a phase, in seconds.
_PATIENCE = 5.0
# A mail larger than this, in bytes, or to more recipients, or with a file that may not be
# readable, travels alone: it is worth the wait to know the outcome of the one before.
_LARGEST_IN_WINDOW = 64 * 1024
_MOST_IN_WINDOW = 20
# Mails in flight on a connection that has answered all that were before.
_LARGEST_WINDOW = 50


class Relay:
    """One server, as some options describe it.

    Args:
        options: The options.
    """

    def __init__(self, options: SMTPOptions) -> None:
        self._options = options
        reset_after_fork(self)
        self.login = Login(options)
        self._barred: dict[str, float] = {}
        self._off = {name for name in _ON_TRIAL if getattr(options, name.lower()) == "off"}
        self._proven: set[str] = set()
        self._last_failure = 0.0
        self._pace = Pace(options.rate)
        self._most_recipients = limits_of(options.host).recipients
        self.pool = Pool(
            limit=options.connections, max_idle=options.max_idle, max_mails=options.max_mails
        )

    def reset(self) -> None:
        """Start afresh: a thread of the parent may have held a lock of its TLS context."""
        self._context: ssl.SSLContext | None = None

    @property
    def context(self) -> ssl.SSLContext | None:
        """The TLS context, built once in each process; None without TLS.

        Raises:
            OptionsError: A certificate file is unusable.
        """
        if self._options.security == "none":
            return None
        context = self._context
        if context is None:
            with defer_forks():
                context = self._context = build_context(self._options)
        return context

    def send_all(
        self, requests: Sequence[SendRequest[SMTPOptions]]
    ) -> list[Receipt | ZenmailError]:
        """Send several mails, many of them in flight at a time where the server can do it.

        Returns:
            What `send` would have returned or raised for each.
        """
        answers: dict[int, Receipt | ZenmailError] = {}
        left = dict(enumerate(requests))
        while left:
            small = list(takewhile(lambda item: _is_small(item[1]), left.items()))
            verdicts = self._send_together([request for _, request in small])
            known = {
                number: verdict
                for (number, _), verdict in zip(small, verdicts, strict=False)
                if verdict is not None
            }
            for number in known or [next(iter(left))]:
                try:
                    answers[number] = self.send(left.pop(number), known.get(number))
                except ZenmailError as error:
                    answers[number] = error
        return [answers[number] for number in range(len(requests))]

    def _send_together(self, requests: Sequence[SendRequest[SMTPOptions]]) -> list[Verdict]:
        """Send as many of the mails as may be in flight; none without a proven connection."""
        with defer_forks():
            from .window import converse_together
        usable = not (self._options.rate or _ON_TRIAL & self._out_of_use())
        session = self.pool.lease_idle() if usable and len(requests) > 1 else None
        if session is None:
            return []
        window = min(session.window, self._options.max_mails - session.mails)
        offered = session.capabilities.keywords.keys() >= _ON_TRIAL
        if not (offered and self._is_proven(session) and window > 1):
            self.pool.give_back(session)
            return []
        deadline = min((one.deadline for one in requests), key=lambda one: one.expires_at)
        intact = False
        try:
            if not _answers(session, deadline):
                return []
            mails = [
                _transaction(
                    session, session.capabilities, one.email, one.envelope, proven=True
                )
                for one in requests[:window]
            ]
            verdicts = session.converse(converse_together(mails), deadline)
            session.mails += len(mails)
            session.window = min(2 * session.window, _LARGEST_WINDOW)
            intact = all(mail.intact for mail in mails)
            return verdicts
        finally:
            if intact:
                self.pool.give_back(session)
            else:
                self._last_failure = time.monotonic()
                self.pool.discard(session)

    def _is_proven(self, session: Session) -> bool:
        # What follows a failure may be another try of the same mail.
        return session.proven and session.last_used > self._last_failure

    def send(self, request: SendRequest[SMTPOptions], verdict: Verdict = None) -> Receipt:
        """Send one mail.

        Args:
            request: The mail.
            verdict: Its outcome in a flight with others, if it has been sent.

        Raises:
            DeliveryError: It concerns every recipient alike.
        """
        outcome = Outcome()
        waiting = recipients = request.envelope.recipients
        most = self._most_recipients or len(recipients)
        while waiting:
            envelope = request.envelope
            if (named := waiting[:most]) != recipients:
                envelope = Envelope(envelope.sender, named)
            try:
                if isinstance(verdict, DeliveryError):
                    raise verdict
                if verdict is None:
                    self._pace.wait(request.deadline)
                    verdict = self._deliver(request, envelope)
                transaction, verdict = verdict, None
            except DeliveryError as error:
                later = waiting[most:]
                if not outcome.known and not (later and isinstance(error, UnknownOutcome)):
                    raise
                outcome.fail(envelope, error)
                why = "An earlier part of the mail's recipients failed first."
                outcome.deferred.update(dict.fromkeys(later, why))
                break
            taken, final = transaction.accepted, transaction.final
            if final is not None and len(taken) == len(recipients):
                return Receipt(accepted=taken, detail=str(final))
            outcome.add(transaction)
            # RFC 5321, 4.5.3.1.10: a server that takes no more recipients at a time is
            # given the rest in a transaction of their own; that is not a retry.
            rest = [
                address
                for address, reply in transaction.deferred.items()
                if isinstance(reply, Reply) and too_many_recipients(reply)
            ]
            if not transaction.accepted or request.deadline.expired:
                rest = []
            for address in rest:
                del outcome.deferred[address]
            waiting = (*rest, *waiting[most:])
        return outcome.receipt(anonymous=not self._options.username)

    def _deliver(self, request: SendRequest[SMTPOptions], envelope: Envelope) -> Transaction:
        """Send to one envelope; replace a connection that had died, or an extension."""
        while True:
            session, fresh = self._connection(request)
            usable = session.capabilities.without(self._out_of_use())
            try:
                transaction = _transaction(
                    session, usable, request.email, envelope, proven=self._is_proven(session)
                )
            except BaseException:
                self.pool.discard(session)
                raise
            try:
                session.converse(transaction.run(), request.deadline)
            except Lost as lost:
                self._last_failure = time.monotonic()
                self.pool.discard(session)
                if fresh:
                    self._bar(_ON_TRIAL)
                    raise lost.failure from lost
            except ChunkingBroken:
                self.pool.discard(session)
                self._proven.discard("CHUNKING")
                self._bar({"CHUNKING"})
            except BaseException as error:
                self._last_failure = time.monotonic()
                self._release(session, transaction)
                if isinstance(error, UnknownOutcome):
                    self._bar({"CHUNKING"})
                if not (transaction.closing and not fresh):
                    raise
            else:
                if transaction.deferred or transaction.unknown:
                    self._last_failure = time.monotonic()
                session.proven = bool(transaction.accepted) and "CHUNKING" in usable
                self._release(session, transaction)
                if transaction.accepted and len(self._proven) < len(_ON_TRIAL):
                    self._proven |= _ON_TRIAL & usable.keywords.keys()
                return transaction

    def _release(self, session: Session, transaction: Transaction) -> None:
        session.mails += 1
        if transaction.intact:
            self.pool.give_back(session)
        else:
            self.pool.discard(session)

    def _bar(self, keywords: Set[str]) -> None:
        """Do without extensions for a while that may be what broke the connection."""
        until = time.monotonic() + _BARRED_FOR
        self._barred.update(dict.fromkeys(keywords - self._proven, until))

    def _out_of_use(self) -> set[str]:
        if not self._barred:
            return self._off
        now = time.monotonic()
        return self._off | {name for name, until in [*self._barred.items()] if until > now}

    def _connection(self, request: SendRequest[SMTPOptions]) -> tuple[Session, bool]:
        """Return a connection that is logged in, and whether it is a new one."""
        while True:
            session = self.pool.lease(request.deadline)
            if session is None:
                try:
                    session = self.open(request.deadline, request.fetch_token)
                except BaseException:
                    self.pool.discard(None)
                    raise
                self.pool.adopt(session)
                return session, True
            try:
                answers = _answers(session, request.deadline)
            except BaseException:
                self.pool.discard(session)
                raise
            if answers:
                return session, False
            # What took this one, such as a firewall, took those that were idle as long, too;
            # to wait for each of them would use up the time.
            self.pool.discard_idle(before=session.last_used)
            self.pool.discard(session)

    def open(self, deadline: Deadline, fetch_token: FetchToken) -> Session:
        """Return a new connection that is logged in.

        Raises:
            ConfigurationError: A certificate file or the token source is unusable.
            DeliveryError: It does not come about.
        """
        context = self.context
        credentials = self.login.credentials(deadline, fetch_token)
        addresses = resolve(self._options.host, self._options.port, deadline)
        try:
            return self._open(addresses, context, credentials, deadline)
        except TokenRefused:
            credentials = self.login.credentials(deadline, fetch_token, refresh=True)
            return self._open(addresses, context, credentials, deadline)

    def _open(
        self,
        addresses: list[Address],
        context: ssl.SSLContext | None,
        credentials: Credentials | None,
        deadline: Deadline,
    ) -> Session:
        session = self._greeted(list(addresses), context, deadline)
        if credentials is not None:
            with _closed_on_failure(session):
                session.log_in(credentials, deadline)
        return session

    def _greeted(
        self, addresses: list[Address], context: ssl.SSLContext | None, deadline: Deadline
    ) -> Session:
        """Return a connection, ready for the login, to the first address that serves.

        One that takes connections and is of no use leaves the others (RFC 5321, 5.1).
        """
        failure: TemporaryFailure | None = None
        while True:
            try:
                session = Session.dial(self._options, addresses, deadline)
            except TemporaryFailure as error:
                raise failure or error from None
            try:
                with _closed_on_failure(session):
                    session.encrypt(context, deadline)
                    session.introduce(deadline)
            except TemporaryFailure as error:
                failure = failure or error
                if not addresses or deadline.expired:
                    raise failure from error.__cause__
            else:
                return session


@contextmanager
def _closed_on_failure(session: Session) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        session.wire.close()
        if isinstance(error, Lost):
            raise error.failure from error
        raise


def _transaction(
    session: Session, usable: Capabilities, email: Email, envelope: Envelope, *, proven: bool
) -> Transaction:
    needed = email.smtputf8
    as_it_is = not needed or "SMTPUTF8" in usable
    return Transaction(
        envelope,
        usable,
        size=email.size(smtputf8=as_it_is),
        chunks=partial(email.chunks, smtputf8=as_it_is),
        smtputf8=needed,
        proven=proven,
        anonymous=not session.mechanism,
    )


def _is_small(request: SendRequest[SMTPOptions]) -> bool:
    few = len(request.envelope.recipients) <= _MOST_IN_WINDOW
    email = request.email
    files = email.attachments and any(file.path for file in email.attachments)
    return few and not files and email.size() <= _LARGEST_IN_WINDOW


def _answers(session: Session, deadline: Deadline) -> bool:
    """Whether a connection that was idle still has a server at its other end."""
    if time.monotonic() - session.last_used < _CAUTION_AFTER:
        return True
    patience = Deadline.after(min(_PATIENCE, deadline.remaining()))
    try:
        return session.converse(probe(), patience)
    except Lost:
        return False
