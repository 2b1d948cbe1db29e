"""A mail, ready to travel, and the envelope it travels in."""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import Field, model_validator
from pydantic_core import core_schema

from .address import Mailbox, as_sender, parse_mailbox, split_addresses, split_valid
from .attachment import Attachment
from .clean import as_text, clean_line, clean_text
from .errors import AddressError, ConfigurationError
from .mime.headers import (
    address_header,
    check_header_name,
    check_identifier,
    date_header,
    folded_header,
    text_header,
    tidy_list_id,
)
from .mime.layout import Piece, lay_out
from .mime.plaintext import html_to_text
from .model import TEXT, TEXTS, Model, ReadBy

__all__ = ["Email", "Envelope"]

_IMPORTANCE = {"high": ("high", "1"), "low": ("low", "5")}


class Envelope(NamedTuple):
    """Who a mail is from and who gets it, whatever its headers say (RFC 5321, 2.3.1).

    Attributes:
        sender: Address for MAIL FROM.
        recipients: Addresses for RCPT TO, each once.
    """

    sender: str
    recipients: tuple[str, ...]

    @property
    def smtputf8(self) -> bool:
        """Whether an address needs a server with SMTPUTF8 (RFC 6531)."""
        return not (self.sender.isascii() and all(map(str.isascii, self.recipients)))

    def to(self, recipients: Iterable[str]) -> "Envelope":
        """Return the envelope with other recipients."""
        return Envelope(self.sender, tuple(dict.fromkeys(recipients)))


def _parse_addresses(value: object) -> tuple[str, ...]:
    return tuple(str(parse_mailbox(item)) for item in split_addresses(value))


def _parse_sender(value: object) -> str:
    return str(parse_mailbox(as_sender(value)))


def _parse_headers(value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    headers: dict[str, str] = {}
    folded: set[str] = set()
    for name, text in value.items():
        headers[check_header_name(str(name))] = clean_line(as_text(text))
        if str(name).lower() in folded:
            raise ConfigurationError(f"The header {str(name)!r} is given twice.")
        folded.add(str(name).lower())
    return headers


Sender = Annotated[str, ReadBy(_parse_sender, TEXT)]
Line = Annotated[str, ReadBy(lambda value: clean_line(as_text(value)), TEXT)]
Text = Annotated[str, ReadBy(lambda value: clean_text(as_text(value)), TEXT)]
Addresses = Annotated[tuple[str, ...], ReadBy(_parse_addresses, TEXTS)]
Headers = Annotated[dict[str, str], ReadBy(_parse_headers, core_schema.dict_schema(TEXT, TEXT))]

if TYPE_CHECKING:
    from .attachment import Attachable

    Recipients = str | Mailbox | Iterable[str | Mailbox] | None


class Email(Model):
    """A mail that is ready to travel; nothing about it changes any more.

    Text that cannot travel is cleaned: line ends in a header, control characters, terminal
    codes, lone surrogates, overrides of the writing direction. What is not text is turned
    into it. An invalid recipient among valid ones costs only itself the mail: it is set
    aside in ``invalid``, and the receipt of a send lists it as refused.

    Raises:
        AddressError: The sender or an address in ``reply_to`` is invalid, or there is no
            valid recipient.
        ConfigurationError: Any other argument is unusable.

    Attributes:
        sender: ``local@domain`` or ``Name <local@domain>``.
        to: Recipients shown as To; lists and comma-separated strings alike.
        cc: Recipients shown as Cc.
        bcc: Recipients shown to nobody.
        reply_to: Where answers go, when not to the sender.
        subject: One line.
        text: The plain part. Every mail has one; by default it says what the HTML says.
        html: The HTML part, or None.
        attachments: Files; those with a ``content_id`` travel beside the HTML.
        headers: More headers, for filters (``X-...``). Those that zenmail writes itself
            are refused.
        message_id: ``<left@right>``, unique per event and the same in every try.
        thread: ``<left@right>`` of a root that all mails of one conversation name, or "".
        list_id: What receivers can filter by (RFC 2919), or "".
        importance: What mail programs may mark.
        date: When it happened, with time zone.
        invalid: Recipients that were given and are not mail addresses, and why.
    """

    sender: Sender
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    reply_to: Addresses = ()
    subject: Line = ""
    text: Text = ""
    html: Text | None = None
    attachments: tuple[Attachment, ...] = ()
    headers: Headers = Field(default_factory=dict)
    message_id: str = ""
    thread: str = ""
    list_id: str = ""
    importance: Literal["low", "normal", "high"] = "normal"
    date: datetime = Field(default_factory=lambda: datetime.now(timezone.utc))
    invalid: dict[str, str] = Field(default_factory=dict, repr=False)

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            sender: str | Mailbox,
            to: Recipients = (),
            cc: Recipients = (),
            bcc: Recipients = (),
            reply_to: Recipients = (),
            subject: object = "",
            text: object = "",
            html: str | None = None,
            attachments: Iterable[Attachable] = (),
            headers: Mapping[str, object] = ...,
            message_id: str = "",
            thread: str = "",
            list_id: str = "",
            importance: Literal["low", "normal", "high"] = "normal",
            date: datetime = ...,
            invalid: Mapping[str, str] = ...,
        ) -> None: ...

    @model_validator(mode="before")
    @classmethod
    def _set_aside(cls, values: Any) -> Any:
        """Take the invalid recipients out, so that they do not cost the others the mail."""
        if not isinstance(values, dict):
            return values
        valid: dict[str, tuple[str, ...]] = {}
        invalid: dict[str, str] = {}
        for name in ("to", "cc", "bcc"):
            if name in values:
                valid[name], found = split_valid(values[name])
                invalid.update(found)
        if not invalid:
            return {**values, **valid}
        if not any(valid.values()):
            raise AddressError(next(iter(invalid.values())))
        return {**values, **valid, "invalid": {**values.get("invalid", {}), **invalid}}

    @model_validator(mode="after")
    def _complete(self) -> "Email":
        fields = vars(self)
        if not (self.to or self.cc or self.bcc):
            raise AddressError(
                "The mail has no recipient.", remedy="Give at least one of to, cc and bcc."
            )
        if not self.date.tzinfo:
            fields["date"] = self.date.astimezone()
        if self.html and not self.text.strip():
            fields["text"] = html_to_text(self.html)
        if self.message_id:
            fields["message_id"] = check_identifier(self.message_id, field="message_id")
        else:
            domain = self.sender.rpartition("@")[2].rstrip(">")
            fields["message_id"] = f"<{secrets.token_hex(12)}@{domain}>"
        if self.thread:
            fields["thread"] = check_identifier(self.thread, field="thread")
        if self.list_id:
            fields["list_id"] = tidy_list_id(self.list_id)
        return self

    # What is worked out once is kept beside the fields, where pydantic leaves it alone.
    # functools.cached_property would lock before Python 3.12, and a lock may be held at a
    # fork; two threads that work it out at once do no harm.

    @property
    def envelope(self) -> Envelope:
        """Sender and all recipients: to, cc and bcc."""
        kept: Envelope | None = vars(self).get("envelope")
        if kept is None:
            boxes = map(parse_mailbox, (*self.to, *self.cc, *self.bcc))
            everybody = dict.fromkeys(box.address for box in boxes)
            kept = Envelope(parse_mailbox(self.sender).address, tuple(everybody))
            vars(self)["envelope"] = kept
        return kept

    @property
    def smtputf8(self) -> bool:
        """Whether the headers need a server with SMTPUTF8 (RFC 6532)."""
        head = self._layout[0]
        return isinstance(head, bytes) and not head.isascii()

    @property
    def _layout(self) -> tuple[Piece, ...]:
        kept: tuple[Piece, ...] | None = vars(self).get("_layout")
        if kept is None:
            kept = vars(self)["_layout"] = self._lay_out(smtputf8=True)
        return kept

    def as_bytes(self, *, smtputf8: bool = True) -> bytes:
        """Return the mail as it travels: RFC 5322, CRLF line ends, no Bcc.

        All of it is 7-bit, unless it names an address whose local part is not ASCII.

        Args:
            smtputf8: Whether such addresses stand in the headers as they are. False makes
                the mail 7-bit: the address is shown as text then (RFC 6857).
        """
        return b"".join(self.chunks(smtputf8=smtputf8))

    def chunks(self, *, smtputf8: bool = True) -> Iterator[bytes]:
        """Yield `as_bytes` in pieces; attachments given as paths are read as it goes.

        Raises:
            TemporaryFailure: Such a file has become shorter since the mail was measured.
        """
        for piece in self._pieces(smtputf8):
            if isinstance(piece, bytes):
                yield piece
                continue
            try:
                yield from piece.chunks()
            except BaseException:
                # The next try is to promise what is there now.
                vars(self).pop("_layout", None)
                raise

    def size(self, *, smtputf8: bool = True) -> int:
        """Return the length of `as_bytes`, without reading attachments given as paths."""
        return sum(map(len, self._pieces(smtputf8)))

    def _pieces(self, smtputf8: bool) -> tuple[Piece, ...]:
        if smtputf8 or not self.smtputf8:
            return self._layout
        return self._lay_out(smtputf8=False)

    def _lay_out(self, *, smtputf8: bool) -> tuple[Piece, ...]:
        return lay_out(
            "".join(self._head(smtputf8)),
            text=self.text,
            html=self.html,
            attachments=self.attachments,
            message_id=self.message_id,
        )

    def _head(self, smtputf8: bool) -> Iterator[str]:
        yield address_header("From", (self.sender,), smtputf8=smtputf8)
        if self.to:
            yield address_header("To", self.to, smtputf8=smtputf8)
        elif not self.cc:
            yield "To: undisclosed-recipients:;\r\n"
        if self.cc:
            yield address_header("Cc", self.cc, smtputf8=smtputf8)
        if self.reply_to:
            yield address_header("Reply-To", self.reply_to, smtputf8=smtputf8)
        yield text_header("Subject", self.subject)
        yield date_header(self.date)
        yield folded_header("Message-ID", (self.message_id,))
        if self.thread and self.thread != self.message_id:
            yield folded_header("In-Reply-To", (self.thread,))
            yield folded_header("References", (self.thread,))
        if self.list_id:
            yield folded_header("List-Id", (f"<{self.list_id}>",))
        # RFC 3834 and [MS-OXCMAIL] 2.2.3.2.14: no answer from a machine.
        yield "Auto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: All\r\n"
        if self.importance in _IMPORTANCE:
            word, number = _IMPORTANCE[self.importance]
            yield f"Importance: {word}\r\nX-Priority: {number}\r\n"
        for name, value in self.headers.items():
            yield text_header(name, value)
