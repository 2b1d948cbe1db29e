"""Whom an alert's mail is from and to, and how it is written."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from .address import Mailbox, as_sender, split_addresses
from .clean import as_text
from .errors import ConfigurationError
from .model import TEXT, TEXTS, Model, ReadBy

if TYPE_CHECKING:
    from typing_extensions import Required, TypedDict, Unpack

__all__ = ["Addressing", "as_time_zone"]


def as_time_zone(name: str) -> str:
    """Return the name of a time zone that this machine knows.

    Raises:
        ConfigurationError: It does not.
    """
    from zoneinfo import ZoneInfo

    try:
        if name:
            ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise ConfigurationError(
            f"Unknown time zone {name!r}.",
            remedy='Give a name such as "Europe/Berlin"; where the system has none, install '
            "tzdata.",
        ) from None
    return name


def _as_path(value: Any) -> Any:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


Sender = Annotated[str, ReadBy(as_sender, TEXT)]
Text = Annotated[str, ReadBy(as_text, TEXT)]
Addresses = Annotated[tuple[str, ...], ReadBy(split_addresses, TEXTS)]

if TYPE_CHECKING:

    class AddressingArguments(TypedDict, total=False):
        """The fields of `Addressing` as keyword arguments."""

        sender: Required[str | Mailbox]
        to: str | Sequence[str]
        cc: str | Sequence[str]
        bcc: str | Sequence[str]
        reply_to: str | Sequence[str]
        subject_prefix: str
        include_html: bool
        templates: str | Path | None
        redact: bool
        time_zone: str


class Addressing(Model):
    """Sender, recipients and form of the mails about an alert.

    Attributes:
        sender: Who the mail is from: ``local@domain`` or ``Name <local@domain>``.
        to: Recipients shown as To.
        cc: Recipients shown as Cc.
        bcc: Recipients shown to nobody.
        reply_to: Where answers go.
        subject_prefix: What stands before the subject, such as "[ZenML]".
        include_html: Whether the mail has an HTML part beside the text.
        templates: A folder, or "package:folder", whose ``alert.html`` and ``alert.txt``
            replace zenmail's own. The alert is sent even if they do not render.
        redact: Whether to take out what is secret by its name or its shape.
        time_zone: The readers' time zone, such as "Europe/Berlin", shown beside UTC; or "".

    Raises:
        ConfigurationError: A value is unusable.
    """

    sender: Sender
    to: Addresses = ()
    cc: Addresses = ()
    bcc: Addresses = ()
    reply_to: Addresses = ()
    subject_prefix: Text = ""
    include_html: bool = True
    templates: Annotated[str | None, BeforeValidator(_as_path)] = None
    redact: bool = True
    time_zone: Annotated[str, AfterValidator(as_time_zone)] = ""

    if TYPE_CHECKING:

        def __init__(self, **fields: Unpack[AddressingArguments]) -> None: ...

    @property
    def recipients(self) -> tuple[str, ...]:
        """Everybody who gets the mail."""
        return (*self.to, *self.cc, *self.bcc)
