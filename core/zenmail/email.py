"""A mail, ready to travel, and the envelope it travels in."""

from __future__ import annotations

import mimetypes
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from .address import Mailbox, parse_mailbox, split_addresses
from .clean import clean_line, clean_text
from .errors import AddressError, ConfigurationError

__all__ = ["Attachment", "Email", "Envelope"]


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


class Attachment(BaseModel):
    """A file that travels with a mail.

    Attributes:
        filename: Name shown to the reader; folders and control characters are taken out.
        content: The bytes; text is taken as UTF-8. None when ``path`` is given.
        path: A file that is read while the mail is sent, never whole into memory.
        content_type: MIME type; guessed from the name by default.
        content_id: Name by which the HTML refers to it (``<img src="cid:...">``), or "".
        alt: What an inline picture shows, for those who cannot see it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64",
                              val_json_bytes="base64")

    filename: str = ""
    content: bytes | None = None
    path: Path | None = None
    content_type: str = ""
    content_id: str = ""
    alt: str = ""

    @model_validator(mode="before")
    @classmethod
    def _accept_paths_and_pairs(cls, value: Any) -> Any:
        if isinstance(value, str | Path):
            return {"path": value}
        if isinstance(value, tuple):
            return dict(zip(("filename", "content", "content_type"), value, strict=False))
        return value

    @model_validator(mode="after")
    def _complete(self) -> Attachment:
        if (self.content is None) == (self.path is None):
            raise ValueError("an attachment has either content or a path")
        if self.path is not None and not self.path.is_file():
            raise ValueError(f"there is no file {str(self.path)!r} to attach")
        name = clean_line(self.filename or (self.path.name if self.path else "attachment"))
        name = name.replace("\\", "/").rpartition("/")[2].strip(". ") or "attachment"
        kind = self.content_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
        object.__setattr__(self, "filename", name)
        object.__setattr__(self, "content_type", clean_line(kind))
        return self

    @property
    def size(self) -> int:
        """Bytes before encoding."""
        if self.path is not None:
            return self.path.stat().st_size
        return len(self.content or b"")

    def read(self) -> bytes:
        """Return the whole content."""
        return self.path.read_bytes() if self.path is not None else self.content or b""


Addresses = Annotated[tuple[str, ...], BeforeValidator(split_addresses)]


class Email(BaseModel):
    """A mail that is ready to travel; nothing about it changes any more.

    Raises:
        AddressError: An address cannot be put on the wire, or there is no recipient.
        ConfigurationError: Any other argument is unusable.

    Attributes:
        sender: ``local@domain`` or ``Name <local@domain>``.
        to: Recipients shown as To; lists and comma-separated strings alike.
        cc: Recipients shown as Cc.
        bcc: Recipients shown to nobody.
        reply_to: Where answers go, when not to the sender.
        subject: One line; line ends and controls are taken out.
        text: The plain part. Every mail has one.
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

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64",
                              val_json_bytes="base64")

    sender: str
    to: Addresses = ()
    cc: Addresses = ()
    bcc: Addresses = ()
    reply_to: Addresses = ()
    subject: str = ""
    text: str = ""
    html: str | None = None
    attachments: tuple[Attachment, ...] = ()
    headers: dict[str, str] = Field(default_factory=dict)
    message_id: str = ""
    thread: str = ""
    list_id: str = ""
    importance: Literal["low", "normal", "high"] = "normal"
    date: datetime = Field(default_factory=lambda: datetime.now(timezone.utc))

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            from .transport import describe_validation

            unusable = ConfigurationError(describe_validation(error, known=Email.model_fields))
            for finding in error.errors():
                cause = finding.get("ctx", {}).get("error")
                if isinstance(cause, AddressError):
                    unusable = cause
            raise unusable from None

    @field_validator("sender", "to", "cc", "bcc", "reply_to")
    @classmethod
    def _check_addresses(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if isinstance(value, str):
            return str(parse_mailbox(value))
        return tuple(str(parse_mailbox(item)) for item in value)

    @field_validator("subject")
    @classmethod
    def _clean_subject(cls, value: str) -> str:
        return clean_line(value)

    @field_validator("text", "html")
    @classmethod
    def _clean_body(cls, value: str | None) -> str | None:
        return None if value is None else clean_text(value)

    @field_validator("headers")
    @classmethod
    def _check_headers(cls, value: dict[str, str]) -> dict[str, str]:
        from .mime import check_header_name

        return {check_header_name(name): clean_line(text) for name, text in value.items()}

    @field_validator("date")
    @classmethod
    def _give_time_zone(cls, value: datetime) -> datetime:
        return value if value.tzinfo else value.astimezone()

    @model_validator(mode="after")
    def _complete(self) -> Email:
        if not (self.to or self.cc or self.bcc):
            raise AddressError(
                "The mail has no recipient.", remedy="Give at least one of to, cc and bcc."
            )
        if not self.message_id:
            domain = parse_mailbox(self.sender).domain
            object.__setattr__(self, "message_id", f"<{secrets.token_hex(16)}@{domain}>")
        return self

    @property
    def mailbox(self) -> Mailbox:
        """The sender, taken apart."""
        return parse_mailbox(self.sender)

    @property
    def envelope(self) -> Envelope:
        """Sender and all recipients: to, cc and bcc."""
        everybody = (parse_mailbox(item).address for item in (*self.to, *self.cc, *self.bcc))
        return Envelope(self.mailbox.address, tuple(dict.fromkeys(everybody)))

    def replace(self, **changes: Any) -> Email:
        """Return a validated copy with some fields changed and the same Message-ID."""
        return Email(**{**{name: getattr(self, name) for name in type(self).model_fields},
                        **changes})

    def as_bytes(self) -> bytes:
        """Return the mail as it travels: RFC 5322, 7-bit, CRLF line ends, no Bcc."""
        return b"".join(self.chunks())

    def chunks(self) -> Iterator[bytes]:
        """Yield `as_bytes` in pieces; attachments given as paths are read as it goes."""
        from .mime import write

        return write(self)

    def size(self) -> int:
        """Return the length of `as_bytes`, without reading attachments given as paths."""
        from .mime import measure

        return measure(self)
