"""One mail in a dialogue: MAIL, RCPT, then DATA or BDAT, and whose mail was taken."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from zenmail import (
    DeliveryError,
    Envelope,
    MailTooLarge,
    PermanentFailure,
    TemporaryFailure,
    UnknownOutcome,
)

from .advice import failure
from .dialogue import Capabilities, Dialogue, Flight, command
from .replies import Reply
from .wire import Lost

__all__ = ["ChunkingBroken", "Transaction"]

# Above this size it is worth a round trip to know first that somebody will get the mail.
_ONE_FLIGHT = 256 * 1024
_ADDRESS = re.compile(
    r'\A(?:"(?:[^"\\\x00-\x1f\x7f]|\\[ -~])*"|[^\x00-\x20\x7f<>"]+)@[^\x00-\x20\x7f<>"]+\Z'
)
# What a server says that does not know BDAT although it announced it.
_NOT_IMPLEMENTED = frozenset({500, 501, 502, 503, 504})


class Transaction:
    """One mail to some recipients, and what became of it.

    Args:
        envelope: Sender and recipients.
        capabilities: What the server can, as far as it is to be used.
        size: The mail's length in bytes.
        chunks: Returns the mail in pieces; may be called once.
        smtputf8: Whether the mail's headers need SMTPUTF8, where the server offers it.
        reset: Whether the server still holds a transaction that has to go first.

    Attributes:
        accepted: Recipients whose mail the server took.
        refused: Recipients refused for good, and why.
        deferred: Recipients that may be taken later, and why.
        unknown: Recipients that may have the mail or not, and why; only when others were
            refused or deferred, else `run` raises `UnknownOutcome`.
        final: The server's answer to the mail, or None when it was not sent.
        intact: Whether the connection is good for another mail.
        closing: Whether the server took nothing and is closing the connection (421).
        reset: Whether RSET has to go before that.
    """

    def __init__(
        self,
        envelope: Envelope,
        capabilities: Capabilities,
        *,
        size: int,
        chunks: Callable[[], Iterable[bytes]],
        smtputf8: bool = False,
        reset: bool = False,
    ) -> None:
        self._envelope = envelope
        self._capabilities = capabilities
        self._size = size
        self._chunks = chunks
        self._smtputf8 = smtputf8 and "SMTPUTF8" in capabilities
        self._accepting: list[str] = []
        self.accepted: list[str] = []
        self.refused: dict[str, Reply | str] = {}
        self.deferred: dict[str, Reply | str] = {}
        self.unknown: dict[str, str] = {}
        self.final: Reply | None = None
        self.intact = True
        self.closing = False
        self.reset = reset

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
        self.intact = False
        if "CHUNKING" in self._capabilities:
            yield from self._send_chunk(recipients)
        else:
            yield from self._send_data(recipients)

    def _addressable(self) -> list[str]:
        capabilities, envelope = self._capabilities, self._envelope
        if envelope.sender and not _ADDRESS.match(envelope.sender):
            raise PermanentFailure(
                f"{envelope.sender!r} cannot be put on the wire as a sender.", code="address"
            )
        limit = capabilities.size
        if limit and self._size > limit:
            error = MailTooLarge(
                f"The mail has {self._size:,} bytes; the server takes {limit:,}.",
                remedy="Send smaller attachments, or a link to them.",
            )
            error.limit = limit
            raise error
        unicode = "SMTPUTF8" in capabilities
        if not unicode and not envelope.sender.isascii():
            raise PermanentFailure(
                f"The server takes no address outside ASCII, as the sender's "
                f"{envelope.sender!r} is (SMTPUTF8, RFC 6531).",
                code="smtputf8",
                remedy="Use a sender address in ASCII.",
            )
        recipients = []
        for address in envelope.recipients:
            if not _ADDRESS.match(address):
                self.refused[address] = "The address cannot be put on the wire."
            elif not unicode and not address.isascii():
                self.refused[address] = (
                    "The server takes no address outside ASCII (SMTPUTF8, RFC 6531)."
                )
            else:
                recipients.append(address)
        return recipients

    def _opening(self, recipients: Sequence[str]) -> list[bytes]:
        """Return RSET, when it is due, and MAIL; RCPT comes from `_rcpt`."""
        words = ["MAIL", f"FROM:<{self._envelope.sender}>"]
        if "SIZE" in self._capabilities:
            words.append(f"SIZE={self._size}")
        named = (self._envelope.sender, *recipients)
        if self._smtputf8 or not all(map(str.isascii, named)):
            words.append("SMTPUTF8")
            if "8BITMIME" in self._capabilities:
                words.append("BODY=8BITMIME")
        mail = command(*words)
        return [b"RSET\r\n", mail] if self.reset else [mail]

    @property
    def _pipelining(self) -> bool:
        return "PIPELINING" in self._capabilities

    def _ask(self, recipients: list[str], *last: bytes) -> Dialogue[list[Reply]]:
        """Put the envelope to the server; return its replies to the ``last`` commands.

        Raises:
            DeliveryError: The sender is refused.
        """
        opening = self._opening(recipients)
        named = [command("RCPT", f"TO:<{address}>") for address in recipients]
        if self._pipelining:
            commands = [*opening, *named, *last]
            try:
                replies = yield Flight(commands, len(commands), "the sender and the recipients")
            except Lost as lost:
                self._note(recipients, lost.replies)
                raise
            return self._note(recipients, replies)
        replies = []
        for line in opening:
            replies += yield Flight([line], what="the sender")
            self._check_opening(replies, len(opening))
        for address, line in zip(recipients, named, strict=True):
            (reply,) = yield Flight([line], what="a recipient")
            self._judge(address, reply)
            if reply.code == 421:
                raise failure(reply, "recipient")
        replies = []
        if self._accepting:
            for line in last:
                replies += yield Flight([line], what="DATA")
        return replies

    def _note(self, recipients: list[str], replies: list[Reply]) -> list[Reply]:
        """Take note of the replies to an envelope in one flight; return those behind it."""
        opened = 2 if self.reset else 1
        self._check_opening(replies, opened)
        for address, reply in zip(recipients, replies[opened:], strict=False):
            self._judge(address, reply)
        return replies[opened + len(recipients) :]

    def _check_opening(self, replies: Sequence[Reply], opened: int) -> None:
        # A server that refuses RSET and takes MAIL all the same has no other mail open.
        for reply in replies[:opened]:
            if reply.code == 421:
                self._refuse_sender(reply)
        for reply in replies[opened - 1 : opened]:
            if not reply.positive:
                self._refuse_sender(reply)

    def _refuse_sender(self, reply: Reply) -> None:
        self.closing = reply.code == 421
        raise failure(reply, "sender", limit=self._capabilities.size)

    def _judge(self, address: str, reply: Reply) -> None:
        if reply.positive:
            self._accepting.append(address)
        elif reply.permanent:
            self.refused[address] = reply
        else:
            self.deferred[address] = reply

    def _send_data(self, recipients: list[str]) -> Dialogue[None]:
        """Send the mail with DATA (RFC 5321, 4.1.1.4)."""
        replies = yield from self._ask(recipients, b"DATA\r\n")
        if not replies:
            self.reset = self.intact = True
            return
        (reply,) = replies
        if not self._accepting:
            self.reset = self.intact = True
            if reply.code == 354:
                # RFC 2920, 3.1: a server may take DATA although it took no recipient.
                yield Flight([b".\r\n"], what="an empty mail")
            return
        if reply.code != 354:
            self.reset = self.intact = reply.code != 421
            self._settle(reply, "data")
            return
        pieces = chain(_stuffed(_read(self._chunks)), [b".\r\n"])
        try:
            (self.final,) = yield Flight(pieces, what="the mail")
        except Lost as lost:
            self._judge_loss(lost)
        else:
            self.reset, self.intact = False, self.final.code != 421
        if self.final is not None:
            self._settle(self.final, "body")

    def _send_chunk(self, recipients: list[str]) -> Dialogue[None]:
        """Send the mail with BDAT (RFC 3030), in one flight with the envelope if possible."""
        head = f"BDAT {self._size} LAST\r\n".encode()
        body = chain([head], _exactly(_read(self._chunks), self._size))
        if not self._pipelining or self._size > _ONE_FLIGHT:
            yield from self._ask(recipients)
            if not self._accepting:
                self.reset = self.intact = True
                return
            try:
                (self.final,) = yield Flight(body, what="the mail")
            except Lost as lost:
                self._judge_loss(lost)
            else:
                self.reset, self.intact = not self.final.positive, self.final.code != 421
        else:
            opening = self._opening(recipients)
            named = [command("RCPT", f"TO:<{address}>") for address in recipients]
            count = len(opening) + len(named) + 1
            try:
                replies = yield Flight(chain(opening, named, body), count, "the mail")
            except Lost as lost:
                replies = lost.replies
                behind = self._note(recipients, replies)
                if len(replies) >= count - 1 and not self._accepting:
                    return
                lost.replies = behind
                self._judge_loss(lost)
            else:
                try:
                    (self.final,) = self._note(recipients, replies)
                except DeliveryError as error:
                    to_rcpt = replies[len(opening) : -1]
                    if not (replies[-1].positive and any(reply.positive for reply in to_rcpt)):
                        raise
                    self.closing = False
                    raise UnknownOutcome(
                        f"The server took the mail all the same. {error.message}",
                        code="protocol",
                        remedy="Look whether it arrived.",
                    ) from error
                self.reset, self.intact = not self.final.positive, self.final.code != 421
        if self.final is None or not self._accepting:
            return
        if self.final.code in _NOT_IMPLEMENTED:
            raise ChunkingBroken(f"The server announces CHUNKING and refuses it: {self.final}")
        self._settle(self.final, "body")

    def _judge_loss(self, lost: Lost) -> None:
        """Find the server's answer to the mail in what came before the connection broke.

        Raises:
            Lost: There is none, and the mail cannot have been taken.
            UnknownOutcome: There is none, and it may have been.
        """
        answer = lost.replies[-1] if lost.replies else None
        if answer is not None and (answer.temporary or answer.permanent):
            self.final = answer
        elif not lost.sent:
            raise lost
        else:
            self._lose(
                UnknownOutcome(
                    f"{lost.failure.message} The mail had been sent to it.",
                    code="deadline" if lost.failure.code == "deadline" else "unknown",
                    remedy="Look whether it arrived; the policy at_least_once sends it again.",
                )
            )

    def _lose(self, error: UnknownOutcome) -> None:
        if not (self.refused or self.deferred):
            raise error
        self.unknown = dict.fromkeys(self._accepting, error.message)

    def _settle(self, reply: Reply, phase: str) -> None:
        """Give the recipients that were accepted what the server answered to the mail."""
        if reply.positive and phase == "body":
            self.accepted = self._accepting
            return
        if phase == "body" and not (reply.temporary or reply.permanent):
            self.intact = False
            self._lose(
                UnknownOutcome(
                    f"The server's answer to the mail makes no sense: {reply}",
                    code="protocol",
                    remedy="Look whether it arrived.",
                )
            )
            return
        error = failure(reply, phase, limit=self._capabilities.size)
        if not (self.refused or self.deferred):
            raise error
        target = self.refused if isinstance(error, PermanentFailure) else self.deferred
        target.update(dict.fromkeys(self._accepting, reply))


class ChunkingBroken(TemporaryFailure):
    """A server announces CHUNKING and does not know BDAT; the mail was not taken."""

    default_code = "chunking"


def _read(chunks: Callable[[], Iterable[bytes]]) -> Iterator[bytes]:
    """Yield the mail, and tell trouble with its files from trouble with the socket."""
    try:
        yield from chunks()
    except OSError as error:
        raise PermanentFailure(
            f"An attachment cannot be read: {error.strerror or error}.",
            code="attachment-unreadable",
            remedy="Keep attached files until the alert is sent.",
        ) from error


def _exactly(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Yield the chunks, whose length was announced.

    Raises:
        TemporaryFailure: They are longer or shorter than that.
    """
    left = size
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            break
        yield chunk
    if left:
        raise TemporaryFailure(
            "An attachment changed while it was being sent.",
            code="attachment-changed",
            remedy="Attach files that nobody writes to any more.",
        )


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
