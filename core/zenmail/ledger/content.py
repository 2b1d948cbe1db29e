"""How the outbox writes a mail down, and what it trusts of that when it is read back."""

import json
from collections.abc import Mapping, Sequence

from pydantic import ConfigDict, ValidationError, model_validator

from ..address import parse_mailbox
from ..clean import clean_line
from ..email import Email, Envelope
from ..errors import ConfigurationError
from ..model import LateModel

__all__ = ["Unreadable", "dump_email", "load_email", "load_envelope", "load_recipients"]


class Unreadable(Exception):
    """The entry is corrupt or foreign and cannot be sent."""


class _Content(LateModel):
    model_config = ConfigDict(val_json_bytes="base64")

    email: Email

    @model_validator(mode="before")
    @classmethod
    def _refuse_paths(cls, value: object) -> object:
        # Anybody who can write to the database could have any file of this machine mailed.
        email = value.get("email") if isinstance(value, Mapping) else None
        attachments = email.get("attachments", ()) if isinstance(email, Mapping) else ()
        for item in attachments:
            if not isinstance(item, Mapping) or item.get("path") is not None:
                raise ValueError("an attachment names a file instead of holding its content")
        return value


def dump_email(email: Email) -> str:
    """Return a mail as JSON, attachments included."""
    return f'{{"email":{email.model_dump_json()}}}'


def load_email(content: str) -> Email:
    """Return the mail that was written down.

    Raises:
        Unreadable: It is corrupt, or names a file.
    """
    try:
        return _Content.model_validate_json(content).email
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise Unreadable(clean_line(f"{field}: {first['msg']}", limit=200)) from None
    except (ConfigurationError, ValueError, TypeError, RecursionError) as error:
        raise Unreadable(type(error).__name__) from None


def load_envelope(sender: str, recipients: Sequence[str]) -> Envelope:
    """Return the envelope of addresses that were read back.

    Raises:
        Unreadable: One is invalid.
    """
    try:
        boxes = [parse_mailbox(item) for item in (sender, *recipients)]
    except ConfigurationError:
        raise Unreadable("an address is invalid") from None
    return Envelope(boxes[0].address, tuple(box.address for box in boxes[1:]))


def load_recipients(recipients: str) -> tuple[str, ...]:
    """Return the addresses in a JSON list; an entry that is not a list has none."""
    try:
        names = json.loads(recipients)
    except (ValueError, RecursionError):
        return ()
    return tuple(dict.fromkeys(map(str, names))) if isinstance(names, list) else ()
