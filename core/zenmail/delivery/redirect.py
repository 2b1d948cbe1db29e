"""Mail that goes elsewhere than to its recipients, for staging."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from fnmatch import fnmatchcase

from ..address import parse_mailbox, split_addresses, split_valid
from ..email import Email, Envelope
from ..errors import AddressError, ConfigurationError

__all__ = ["Redirect"]

_logger = logging.getLogger(__name__)
_HEADER = "X-Zenmail-Redirected-From"


class Redirect:
    """Who gets the mail of whom.

    Args:
        to: Where all mail goes instead of to its recipients; nowhere else when empty.
        allow: Recipients that get their mail in spite of that: addresses, or patterns such
            as ``*@example.com``.

    Raises:
        ConfigurationError: ``to`` names no address, or ``allow`` something else.
    """

    def __init__(self, to: str | Sequence[str], allow: str | Sequence[str] = ()) -> None:
        valid, invalid = split_valid(to)
        if invalid and not valid:
            raise AddressError(next(iter(invalid.values())))
        for why in invalid.values():
            _logger.warning("An address in redirect_to was left out: %s", why)
        self._to = tuple({_address(item).lower(): _address(item) for item in valid}.values())
        if to and not self._to:
            raise ConfigurationError(
                "redirect_to contains no address, so mails would go to their "
                "original recipients.",
                remedy="Give an address, or leave redirect_to out.",
            )
        self._allow = tuple(map(_pattern, split_addresses(allow)))

    def apply(
        self, email: Email, envelope: Envelope, *, flushing: bool = False
    ) -> tuple[Email, Envelope]:
        """Return the mail and its envelope with nobody in them who is to be kept out.

        The headers change with the envelope: a transport that wrongly goes by them reaches
        nobody else either.

        Args:
            email: The mail.
            envelope: Who gets it.
            flushing: Whether it comes out of the outbox, and may have been redirected when
                it went in: then those it was first for stay named.
        """
        if not self._to:
            return email, envelope
        diverted = [item for item in envelope.recipients if not self._may_receive(item)]
        if not diverted:
            return email, envelope
        shown = [_address(item) for item in (*email.to, *email.cc)]
        named = ", ".join(item for item in shown if not self._may_receive(item))
        named = named or "(blind copies)"
        headers = {}
        for name, text in email.headers.items():
            if name.lower() != _HEADER.lower():
                headers[name] = text
            elif flushing:
                named = f"{text}, {named}"
        to, cc, bcc = (
            tuple(item for item in field if self._may_receive(_address(item)))
            for field in (email.to, email.cc, email.bcc)
        )
        allowed = [item for item in envelope.recipients if item not in diverted]
        reached = {item.lower() for item in allowed}
        added = [item for item in self._to if item.lower() not in reached]
        named_already = {_address(item).lower() for item in (*to, *cc)}
        to += tuple(item for item in added if item.lower() not in named_already)
        redirected = email.replace(to=to, cc=cc, bcc=bcc, headers={**headers, _HEADER: named})
        return redirected, envelope.to([*allowed, *added])

    def _may_receive(self, address: str) -> bool:
        address = address.lower()
        return address in map(str.lower, self._to) or any(
            fnmatchcase(address, pattern) for pattern in self._allow
        )


def _address(item: str) -> str:
    return parse_mailbox(item).address


def _pattern(item: str) -> str:
    if "@" not in item and item != "*":
        raise ConfigurationError(
            f"redirect_allow contains {item!r}.",
            remedy="Give addresses, or patterns such as *@example.com.",
        )
    if not {*item} & set("*?["):
        # It may have a name, and a domain that travels in another form.
        return _address(item).lower()
    return item.lower()
