"""Web addresses: which may become links, how they are encoded, and where they lead."""

from __future__ import annotations

import re
import unicodedata

from ..patterns import pattern

__all__ = ["href", "is_web_address", "true_host"]

_HOST = pattern(
    r"(?:[^\s/?#@]*@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s/?#@:\[\]]+)(?::\d{1,5})?(?=[/?#]|\Z)"
)
_ILLEGAL = pattern(r"[\x00-\x20\"<>\\^`{|}\[\]]|%(?![0-9A-Fa-f]{2})")


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


_ADDRESS = pattern(
    r"\s*(?P<scheme>https?://)?(?:[^\s/?#@]*@)?(?:www\.)?"
    r"(?P<host>[^\s/?#@:\\]+\.[^\W\d_]{2,24}|xn--[\w.-]+)\.?(?::\d+)?(?P<path>[/?#]|\s*\Z)",
    re.IGNORECASE,
)
_FILE = pattern(
    r".*\.(?:py|md|txt|json|ya?ml|csv|html?|ipynb|pkl|parquet|toml|log|zip|gz|sh|png|jpe?g|pdf"
    r"|pt|bin|onnx|ckpt|cfg|ini|sql|rs|so)\Z",
    re.IGNORECASE,
)


def true_host(url: str, label: str) -> str:
    """Return the host that a link leads to, in ASCII, where its label misleads; or ""."""
    if "." not in label and url.isascii() and "@" not in url and "xn--" not in label.lower():
        return ""
    scheme, _, rest = url.partition(":")
    match = _HOST.match(rest, 2, 600) if scheme.lower() in ("http", "https") else None
    if match is None:
        return ""
    host = _bare(match)
    if shown := _ADDRESS.match(label):
        is_file = not shown["scheme"] and shown["path"] != "/" and _FILE.match(shown["host"])
        other = not is_file and _bare(shown) != host.removeprefix("www.")
    else:
        scheme, _, rest_of_label = label.strip().partition("://")
        first = _HOST.match(rest_of_label)
        other = scheme.lower() in ("http", "https") and (not first or _bare(first) != host)
    hides = other or "@" in rest[2 : match.end()] or any(map(_mixes_scripts, host.split(".")))
    return _ascii(host) if hides else ""


def _bare(match: re.Match[str]) -> str:
    return match["host"].lower().removesuffix(".")


def _mixes_scripts(label: str) -> bool:
    if label.isascii():
        return False
    return len({unicodedata.name(it, "?").split()[0] for it in label if it.isalpha()}) > 1


def _ascii(host: str) -> str:
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        return host.encode("ascii", "backslashreplace").decode("ascii")
