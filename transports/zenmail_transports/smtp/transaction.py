"""One mail in a dialogue: MAIL, RCPT, then DATA or BDAT, and whose mail was taken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain

from zenmail import (
    DeliveryError,
    Envelope,
    MailTooLarge,
    PermanentFailure,
    TemporaryFailure,
    UnknownOutcome,
)
from zenmail.patterns import pattern

from .advice import failure, too_many_recipients
from .dialogue import Capabilities, Dialogue, Flight
from .outcome import Outcome
from .replies import Reply
from .wire import Lost

__all__ = ["ChunkingBroken", "Transaction"]

# Above this size it is worth a round trip to know first that somebody will get the mail.
_ONE_FLIGHT = 256 * 1024
_ADDRESS = pattern(
    r'\A(?:"(?:[^"\\\x00-\x1f\x7f]|\\[ -~])*"|[^\x00-\x20\x7f<>"]+)@[^\x00-\x20\x7f<>"]+\Z'
)
# What a server says that does not know BDAT although it announced it.
_NOT_IMPLEMENTED = frozenset({500, 501, 502, 503, 504})


class Transaction(Outcome):
    """One mail to some recipients, and its outcome.

    On a connection that is not known to work, the end of the mail is held back until the
    server has answered all that comes before it: whatever breaks until then, nobody has the
    mail. With CHUNKING (RFC 3030) the mail's first line goes with the envelope, in a chunk
    of its own, so that a server that only claims to know BDAT is found out in time.

    Args:
        envelope: Sender and recipients.
        capabilities: What the server can, as far as it is to be used.
        size: The mail's length in bytes.
        chunks: Returns the mail in pieces; may be called once.
        smtputf8: Whether the mail's headers need SMTPUTF8, where the server offers it.
        proven: Whether the connection has just carried a mail in chunks.
        anonymous: Whether the client did not log in.

    Attributes:
        intact: Whether the connection is good for another mail.
        closing: Whether the server took nothing and is closing the connection (421).
    """

    def __init__(
        self,
        envelope: Envelope,
        capabilities: Capabilities,
        *,
        size: int,
        chunks: Callable[[], Iterable[bytes]],
        smtputf8: bool = False,
        proven: bool = False,
        anonymous: bool = False,
    ) -> None:
        super().__init__()
        self._envelope = envelope
        self._capabilities = capabilities
        self._size = size
        self._chunks = chunks
        self._smtputf8 = smtputf8 and "SMTPUTF8" in capabilities
        self._proven = proven
        self._anonymous = anonymous
        self._accepting: list[str] = []
        self.intact = True
        self.closing = False

    def run(self) -> Dialogue[None]:
        """Say what has to be said.

        Raises:
            DeliveryError: It concerns every recipient that was not refused on its own.
            UnknownOutcome: The answer to the mail is lost.
            ChunkingBroken: The server does not know BDAT after all.
        """
        recipients = self._addressable()
        if not recipients:
            return
        # Servers slow down a client that has just been refused, so only a connection that
        # has delivered is used again.
        self.intact = False
        if "CHUNKING" not in self._capabilities:
            yield from self._send_data(recipients)
        elif self._proven and self._pipelining and self._size <= _ONE_FLIGHT:
            yield from self._send_at_once(recipients)
        else:
            yield from self._send_chunks(recipients)

    def _addressable(self) -> list[str]:
        capabilities, envelope = self._capabilities, self._envelope
        if envelope.sender and not _fits(envelope.sender):
            raise PermanentFailure(
                f"The sender's address {envelope.sender!r} is invalid.", code="address"
            )
        limit = capabilities.size
        if limit and self._size > limit:
            error = MailTooLarge(
                f"The mail has {self._size:,} bytes; the server accepts at most {limit:,}.",
                remedy="Send smaller attachments, or links to them.",
            )
            error.limit = limit
            raise error
        unicode = "SMTPUTF8" in capabilities
        if not unicode and not envelope.sender.isascii():
            raise PermanentFailure(
                f"The server does not support non-ASCII addresses, such as the sender's "
                f"{envelope.sender!r} (SMTPUTF8, RFC 6531).",
                code="smtputf8",
                remedy="Use a sender address in ASCII.",
            )
        recipients = []
        for address in envelope.recipients:
            if not _fits(address):
                self.refused[address] = "The address is invalid."
            elif not unicode and not address.isascii():
                self.refused[address] = (
                    "The server does not support non-ASCII addresses (SMTPUTF8, RFC 6531)."
                )
            else:
                recipients.append(address)
        return recipients

    @property
    def _pipelining(self) -> bool:
        return "PIPELINING" in self._capabilities

    def _commands(self, recipients: Sequence[str]) -> list[str]:
        mail = f"MAIL FROM:<{self._envelope.sender}>"
        if "SIZE" in self._capabilities:
            mail += f" SIZE={self._size}"
        lines = [mail, *(f"RCPT TO:<{address}>" for address in recipients)]
        if self._smtputf8 or not all(map(str.isascii, lines)):
            lines[0] += " SMTPUTF8"
            if "8BITMIME" in self._capabilities:
                lines[0] += " BODY=8BITMIME"
        return lines

    def _content(self) -> Iterator[bytes]:
        """Yield the mail, whose length was announced.

        Raises:
            PermanentFailure: A file cannot be read.
            TemporaryFailure: The mail is longer or shorter than that.
        """
        left = self._size
        try:
            for chunk in self._chunks():
                left -= len(chunk)
                if left < 0:
                    break
                yield chunk
        except OSError as error:
            raise PermanentFailure(
                f"An attachment cannot be read: {error.strerror or error}.",
                code="attachment-unreadable",
                remedy="Keep attached files until the alert is sent.",
            ) from error
        if left:
            raise TemporaryFailure(
                "An attachment changed while it was being sent.",
                code="attachment-changed",
                remedy="Attach files that are no longer being written.",
            )

    def _failure(self, reply: Reply, phase: str) -> DeliveryError:
        limit = self._capabilities.size
        return failure(reply, phase, limit=limit, anonymous=self._anonymous)

    def _ask(self, recipients: list[str], last: bytes) -> Dialogue[Reply | None]:
        """Send the envelope, and ``last``, which does not end the mail.

        Returns:
            The reply to ``last``, or None when there is nobody to send the mail to.

        Raises:
            DeliveryError: The sender is refused, or the server closes the connection.
            Lost: The connection broke, and nobody was refused before.
        """
        lines = [f"{line}\r\n".encode() for line in self._commands(recipients)]
        lines.append(last)
        flights = [lines] if self._pipelining else [[line] for line in lines]
        replies: list[Reply] = []
        try:
            for flight in flights:
                if replies and not _may_go_on(replies, at_last=flight[0] is last):
                    break
                what = "a recipient" if replies else "the sender and the recipients"
                replies += yield Flight(flight, len(flight), what)
        except Lost as lost:
            replies += lost.replies
            # A server that does not know BDAT answers each line of the chunk, too.
            refused = len(replies) == len(lines) and replies[-1].code >= 400
            if not refused:
                self._break_off(recipients, replies, lost)
                return None
        self._note(recipients, replies)
        if len(replies) == len(lines):
            return replies[-1]
        if replies[-1].code == 421:
            self._break_off(recipients, replies)
        return None

    def _note(self, recipients: list[str], replies: Sequence[Reply]) -> None:
        """Record the replies to MAIL and, as far as they go, to RCPT."""
        if replies and not replies[0].positive:
            self.closing = replies[0].code == 421
            raise self._failure(replies[0], "sender")
        self._accepting = []
        for address, reply in zip(recipients, replies[1:], strict=False):
            if reply.positive:
                self._accepting.append(address)
            elif reply.permanent and not too_many_recipients(reply):
                self.refused[address] = reply
            else:
                self.deferred[address] = reply

    def _break_off(
        self, recipients: list[str], replies: Sequence[Reply], lost: Lost | None = None
    ) -> None:
        """Defer all who were not refused: the connection ended before the mail did.

        Raises:
            DeliveryError: Nobody was refused before, and the server said that it closes.
            Lost: The same, and it did not say so.
        """
        self._note(recipients, replies)
        self.closing = bool(replies) and replies[-1].code == 421
        why: Reply | str
        error: Exception
        if lost is None or self.closing:
            why, error = replies[-1], self._failure(replies[-1], "recipient")
        else:
            why, error = lost.failure.message, lost
        if not self.refused:
            raise error
        for address in recipients:
            if address not in self.refused:
                self.deferred.setdefault(address, why)
        self._accepting = []

    def _send_data(self, recipients: list[str]) -> Dialogue[None]:
        """Send the mail with DATA (RFC 5321, 4.1.1.4)."""
        reply = yield from self._ask(recipients, b"DATA\r\n")
        if reply is None or not self._accepting:
            return
        if reply.code != 354:
            self._settle(reply, "data")
            return
        yield from self._end(chain(_stuffed(self._content()), [b".\r\n"]))

    def _send_chunks(self, recipients: list[str]) -> Dialogue[None]:
        """Send the mail's first line with the envelope, and then the rest."""
        content = self._content()
        piece = next(content, b"")
        start = piece.find(b"\n") + 1 or len(piece)
        reply = yield from self._ask(recipients, b"BDAT %d\r\n%b" % (start, piece[:start]))
        if reply is None or not self._accepting:
            return
        if not reply.positive:
            self._check_chunking(reply)
            self._settle(reply, "data")
            return
        head = b"BDAT %d LAST\r\n" % (self._size - start)
        yield from self._end(chain([head, piece[start:]], content))

    def _end(self, rest: Iterable[bytes]) -> Dialogue[None]:
        """Send the rest of the mail and wait for the server's answer to all of it."""
        try:
            (self.final,) = yield Flight(rest, what="the mail", final=True)
        except Lost as lost:
            self._judge_loss(lost, lost.replies, self._accepting)
        if self.final is not None:
            self._settle(self.final, "body")

    def _send_at_once(self, recipients: list[str]) -> Dialogue[None]:
        """Send envelope and mail in one flight."""
        lines = (*self._commands(recipients), f"BDAT {self._size} LAST\r\n")
        pieces = chain(("\r\n".join(lines).encode(),), self._content())
        count = len(recipients) + 2
        try:
            replies = yield Flight(pieces, count, "the mail", final=True)
        except Lost as lost:
            replies = lost.replies
            closing = bool(replies) and replies[-1].code == 421
            if len(replies) < count and (closing or not lost.sent):
                self._break_off(recipients, replies, lost)
                return
            self._note(recipients, replies)
            # Those whose reply was lost may have the mail, too.
            asked = [*self._accepting, *recipients[max(0, len(replies) - 1) :]]
            if asked:
                self._judge_loss(lost, replies[count - 1 :], asked)
        else:
            self.final = replies[-1]
            if all(200 <= reply.code < 300 for reply in replies):
                self.accepted, self.intact = recipients, True
                return
            try:
                self._note(recipients, replies)
            except DeliveryError as error:
                if not (self.final.positive and any(reply.positive for reply in replies[1:-1])):
                    raise
                self.closing = False
                raise UnknownOutcome(
                    f"The server accepted the mail even so. {error.message}",
                    code="protocol",
                    remedy="It may have arrived; check with the recipient.",
                ) from error
        if self.final is not None and self._accepting:
            self._check_chunking(self.final)
            self._settle(self.final, "body")

    @staticmethod
    def _check_chunking(reply: Reply) -> None:
        if reply.code in _NOT_IMPLEMENTED:
            raise ChunkingBroken(f"The server announced CHUNKING but refused it: {reply}")

    def _judge_loss(self, lost: Lost, answers: Sequence[Reply], asked: Iterable[str]) -> None:
        """Find the server's answer to the mail in what came before the connection broke.

        Raises:
            Lost: There is none, and the mail cannot have been taken.
            UnknownOutcome: There is none, and it may have been.
        """
        answer = answers[-1] if answers else None
        if answer is not None and (answer.temporary or answer.permanent):
            self.final = answer
        elif lost.sent:
            self._lose(
                UnknownOutcome(
                    f"{lost.failure.message} The mail was sent, but the server never "
                    "confirmed it.",
                    code="deadline" if lost.failure.code == "deadline" else "unknown",
                    remedy="It may have arrived. Check with the recipient, or set the delivery "
                    "policy to at_least_once to send it again.",
                ),
                asked,
            )
        elif self.refused or self.deferred:
            self.deferred.update(dict.fromkeys(asked, lost.failure.message))
        else:
            raise lost

    def _lose(self, error: UnknownOutcome, asked: Iterable[str]) -> None:
        if not (self.refused or self.deferred):
            raise error
        self.unknown = dict.fromkeys(asked, error.message)

    def _settle(self, reply: Reply, phase: str) -> None:
        """Give the recipients that were accepted what the server answered to the mail."""
        if reply.positive and phase == "body":
            self.accepted, self.intact = self._accepting, True
            return
        if phase == "body" and not (reply.temporary or reply.permanent):
            self._lose(
                UnknownOutcome(
                    f"The server gave an invalid answer to the mail: {reply}",
                    code="protocol",
                    remedy="It may have arrived; check with the recipient.",
                ),
                self._accepting,
            )
            return
        error = self._failure(reply, phase)
        if not (self.refused or self.deferred):
            self.closing = reply.code == 421
            raise error
        target = self.refused if isinstance(error, PermanentFailure) else self.deferred
        target.update(dict.fromkeys(self._accepting, reply))


@lru_cache(maxsize=4096)
def _fits(address: str) -> bool:
    """Return whether an address can stand in a command."""
    return _ADDRESS.match(address) is not None


def _may_go_on(replies: Sequence[Reply], *, at_last: bool) -> bool:
    """Return whether the next command makes sense after these replies to MAIL and RCPT."""
    if replies[-1].code == 421 or not replies[0].positive:
        return False
    return not at_last or any(reply.positive for reply in replies[1:])


class ChunkingBroken(TemporaryFailure):
    """A server announces CHUNKING and does not know BDAT; the mail was not taken."""

    default_code = "chunking"


def _stuffed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the mail with dots doubled at line starts (RFC 5321, 4.5.2), ended by CRLF."""
    fresh, tail = True, b"\r\n"
    for chunk in chunks:
        if not chunk:
            continue
        if fresh and chunk.startswith(b"."):
            yield b"."
        fresh = chunk.endswith(b"\n")
        tail = (tail + chunk[-2:])[-2:]
        yield chunk.replace(b"\n.", b"\n..")
    if tail != b"\r\n":
        yield b"\r\n"
