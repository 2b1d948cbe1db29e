"""A mail, ready to travel, and the envelope it travels in."""

from __future__ import annotations

import mimetypes
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from .address import Mailbox, parse_mailbox, split_addresses
from .clean import as_text, clean_line, clean_text
from .errors import AddressError, ConfigurationError
from .mime.layout import (
    EncodedFile,
    Piece,
    check_content_type,
    check_header_name,
    check_identifier,
    lay_out,
    tidy_list_id,
)
from .mime.plaintext import html_to_text
from .model import Model

__all__ = ["Attachment", "Email", "Envelope"]

_LONGEST_FILENAME = 200


@dataclass(frozen=True, slots=True)
class Envelope:
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

    def to(self, recipients: Iterable[str]) -> Envelope:
        """Return the envelope with other recipients."""
        return Envelope(self.sender, tuple(dict.fromkeys(recipients)))


class Attachment(Model):
    """A file that travels with a mail.

    An `Email` also takes a path, or a tuple of name, content and MIME type, for one.
    Written as JSON, an attachment holds its content, also when it was given as a path.

    Raises:
        ConfigurationError: There is no such file, it cannot be read, or an argument is
            unusable.

    Attributes:
        filename: Name shown to the reader; folders and control characters are taken out.
        content: The bytes; text is taken as UTF-8. None when ``path`` is given.
        path: A file that is read while the mail is sent, never whole into memory. When it
            has grown meanwhile, what was there at first is sent; when it has shrunk, the
            try fails and the next one sends what is there; when it cannot be read any
            more, a note travels in its place.
        content_type: MIME type; guessed from the name by default.
        content_id: Name by which the HTML refers to it (``<img src="cid:...">``), or "".
        alt: What an inline picture shows, for those who cannot see it.
    """

    filename: str = ""
    content: bytes | None = Field(default=None, repr=False)
    path: Path | None = None
    content_type: str = ""
    content_id: str = ""
    alt: str = ""

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            filename: str = "",
            content: bytes | bytearray | memoryview | str | None = None,
            path: str | os.PathLike[str] | None = None,
            content_type: str = "",
            content_id: str = "",
            alt: str = "",
        ) -> None: ...

    @model_validator(mode="before")
    @classmethod
    def _accept_paths_and_tuples(cls, value: Any) -> Any:
        if isinstance(value, str | os.PathLike):
            return {"path": value}
        if isinstance(value, tuple | list):
            if not 2 <= len(value) <= 3:
                raise ValueError("an attachment is a tuple of name, content and MIME type")
            return dict(zip(("filename", "content", "content_type"), value, strict=False))
        return value

    @field_validator("content", mode="before")
    @classmethod
    def _accept_text(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, bytearray | memoryview):
            return bytes(value)
        if isinstance(value, str) and info.mode == "python":
            return value.encode("utf-8", "replace")
        return value

    @field_validator("content_id")
    @classmethod
    def _check_content_id(cls, value: str) -> str:
        value = value.removeprefix("<").removesuffix(">")
        if not (value.isascii() and value.isprintable()) or {*value} & set(' <>"\\'):
            raise ConfigurationError(
                "A content_id holds something that a header cannot.",
                remedy="Use letters, digits, dots and hyphens.",
            )
        return value

    @field_validator("alt")
    @classmethod
    def _clean_alt(cls, value: str) -> str:
        return clean_line(value)

    @model_validator(mode="after")
    def _complete(self) -> Attachment:
        if (self.content is None) == (self.path is None):
            raise ConfigurationError("An attachment has either content or a path.")
        if self.path is not None:
            object.__setattr__(self, "path", _readable(self.path))
        name = _file_name(self.filename or (self.path.name if self.path else ""))
        kind = self.content_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
        object.__setattr__(self, "filename", name)
        object.__setattr__(self, "content_type", check_content_type(kind))
        return self

    @model_serializer(mode="wrap")
    def _hold_content(
        self, handler: SerializerFunctionWrapHandler, info: SerializationInfo
    ) -> dict[str, Any]:
        if self.path is None or not info.mode_is_json():
            return handler(self)  # type: ignore[no-any-return]
        try:
            return handler(self.loaded())  # type: ignore[no-any-return]
        except OSError as error:
            return handler(self.stand_in(error))  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        """Bytes before encoding."""
        if self.path is not None:
            return self.path.stat().st_size
        return len(self.content or b"")

    def read(self) -> bytes:
        """Return the whole content."""
        return self.path.read_bytes() if self.path is not None else self.content or b""

    def loaded(self) -> Attachment:
        """Return an attachment that holds its content, whatever happens to the file.

        Raises:
            OSError: The file cannot be read.
        """
        return self if self.path is None else self.replace(content=self.read(), path=None)

    def stand_in(self, error: OSError) -> Attachment:
        """Return the note that travels in place of a file that cannot be read."""
        return Attachment(
            filename=f"{self.filename}.txt",
            content=f"{self.filename} was to be attached here, and could not be read when "
            f"the mail was sent: {error.strerror or error}.\n",
        )


def _readable(path: Path) -> Path:
    try:
        path = path.absolute()
        if path.is_file():
            with path.open("rb"):
                return path
        reason = "it is not a regular file" if path.exists() else "there is no such file"
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
    raise ConfigurationError(f"{str(path)!r} cannot be attached: {reason}.")


def _file_name(text: str) -> str:
    name = clean_line(text).replace("\\", "/").rpartition("/")[2].rstrip(". ").lstrip()
    if len(name) > _LONGEST_FILENAME:
        suffix = Path(name).suffix[:20]
        name = name[: _LONGEST_FILENAME - len(suffix)] + suffix
    return name or "attachment"


def _parse_addresses(value: object) -> tuple[str, ...]:
    return tuple(str(parse_mailbox(item)) for item in split_addresses(value))


def _parse_sender(value: object) -> str:
    if isinstance(value, Mailbox):
        value = str(value)
    if not isinstance(value, str):
        raise AddressError(f"The sender is a {type(value).__name__}, not a mail address.")
    return str(parse_mailbox(str.__str__(value)))


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


Addresses = Annotated[tuple[str, ...], BeforeValidator(_parse_addresses)]
Line = Annotated[str, BeforeValidator(lambda value: clean_line(as_text(value)))]
Text = Annotated[str, BeforeValidator(lambda value: clean_text(as_text(value)))]

if TYPE_CHECKING:
    Recipients = str | Mailbox | Iterable[str | Mailbox] | None
    Attachable = (
        Attachment
        | str
        | os.PathLike[str]
        | tuple[str, bytes | str]
        | tuple[str, bytes | str, str]
    )


class Email(Model):
    """A mail that is ready to travel; nothing about it changes any more.

    Text that cannot travel is cleaned: line ends in a header, control characters, terminal
    codes, lone surrogates, overrides of the writing direction. What is not text is turned
    into it. An address that cannot travel is refused.

    Raises:
        AddressError: An address cannot be put on the wire, or there is no recipient.
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
    """

    sender: Annotated[str, BeforeValidator(_parse_sender)]
    to: Addresses = ()
    cc: Addresses = ()
    bcc: Addresses = ()
    reply_to: Addresses = ()
    subject: Line = ""
    text: Text = ""
    html: Text | None = None
    attachments: tuple[Attachment, ...] = ()
    headers: Annotated[dict[str, str], BeforeValidator(_parse_headers)] = Field(
        default_factory=dict
    )
    message_id: str = ""
    thread: str = ""
    list_id: str = ""
    importance: Literal["low", "normal", "high"] = "normal"
    date: datetime = Field(default_factory=lambda: datetime.now(timezone.utc))

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
        ) -> None: ...

    @model_validator(mode="after")
    def _complete(self) -> Email:
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
            kept = vars(self)["_layout"] = lay_out(self)
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
        return sum(
            piece.size if isinstance(piece, EncodedFile) else len(piece)
            for piece in self._pieces(smtputf8)
        )

    def _pieces(self, smtputf8: bool) -> tuple[Piece, ...]:
        if smtputf8 or not self.smtputf8:
            return self._layout
        return lay_out(self, smtputf8=False)
