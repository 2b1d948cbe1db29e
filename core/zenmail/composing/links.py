"""Web addresses: which of them may become links, and how they are encoded."""

from __future__ import annotations

import re

__all__ = ["href", "is_web_address"]

_HOST = re.compile(
    r"(?:[^\s/?#@]*@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s/?#@:\[\]]+)(?::\d{1,5})?(?=[/?#]|\Z)"
)
_ILLEGAL = re.compile(r"[\x00-\x20\"<>\\^`{|}\[\]]|%(?![0-9A-Fa-f]{2})")


def is_web_address(url: str) -> bool:
    """Whether it may become a link: http or https to a valid host, or mailto."""
    scheme, colon, rest = url.partition(":")
    scheme = scheme.lower()
    if scheme == "mailto":
        return bool(colon and "@" in rest)
    if scheme not in ("http", "https") or not rest.startswith("//"):
        return False
    match = _HOST.match(rest, 2, 600)
    return match is not None and all(
        0 < len(label) < 64 for label in match["host"].removesuffix(".").split(".")
    )


def href(url: str) -> str:
    """Return the address with every character encoded that a URL may not contain."""
    if not _ILLEGAL.search(url):
        return url
    start = 0
    if match := re.match(r"https?://\[[0-9A-Fa-f:.]+\]", url, re.IGNORECASE):
        start = match.end()
    return url[:start] + _ILLEGAL.sub(lambda found: f"%{ord(found[0]):02X}", url[start:])
