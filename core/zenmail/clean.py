"""Text made fit to travel: what no mail may hold is taken out, the rest is kept.

Every function here takes time in proportion to the text, whatever the text is.
"""

from __future__ import annotations

from .patterns import pattern

__all__ = ["as_text", "clean_line", "clean_text"]

# ECMA-48: control sequences, operating system commands (bounded, so that a stray
# introducer cannot swallow a message) and the other escapes.
_ANSI = pattern(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c\r\n]{0,4096}(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-Z\\-~]"
)
_LINE_END = pattern("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
# Controls, and the overrides and isolates that make a text read other than it is
# stored (CVE-2021-42574); the marks that Hebrew and Arabic need (U+200E, U+200F) stay.
_FORBIDDEN = pattern("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_SURROGATE = pattern("[\ud800-\udfff]")
# All that any of the above is about. The set of what is plain would take milliseconds to
# compile, and every import would pay for it.
_UNFIT = pattern("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_ASCII_FORBIDDEN = bytes((*range(9), *range(11, 32), 127))
_BREAK = pattern("[\t\n]+")


def as_text(value: object) -> str:
    """Return what a user gave for a text; None is empty, and no type is a reason to fail."""
    if type(value) is str:
        return value
    if value is None:
        return ""
    if isinstance(value, str):
        # Not str(): an enumeration's says its member's name, and markup would go on escaping.
        return str.__str__(value)
    if isinstance(value, bytes | bytearray):
        return value.decode("utf-8", "replace")
    if isinstance(value, BaseException):
        message = _printed(value)
        return f"{type(value).__name__}: {message}" if message else type(value).__name__
    return _printed(value)


def _printed(value: object) -> str:
    """Return ``str(value)``, or a note in its place when the object cannot be printed."""
    try:
        return str(value)
    except Exception as error:
        failure = error
    try:
        str(value)
    except Exception as error:
        # What a signal handler raised the first time does not come twice.
        if type(error) is type(failure):
            return f"<{type(value).__name__} that cannot be shown: {type(error).__name__}>"
    raise failure


def clean_text(text: str) -> str:
    """Return the text with LF line ends and without terminal codes and controls.

    Two surrogates that make a character become that character, a lone one U+FFFD; tabs
    and line ends stay.
    """
    if _is_plain(text):
        return text
    text = _ANSI.sub("", text)
    text = _LINE_END.sub("\n", text)
    text = _FORBIDDEN.sub("", text)
    if _SURROGATE.search(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def clean_line(text: str, *, limit: int = 998) -> str:
    """Return the text as one line of at most ``limit`` characters, fit for a header."""
    if len(text) <= limit and text.isascii() and text.isprintable():
        return text.strip()
    text = text[: 4 * limit]
    line = clean_text(text).strip()
    if not line.isprintable():
        pieces = (piece.strip() for piece in _BREAK.split(line))
        line = " ".join(piece for piece in pieces if piece)
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def _is_plain(text: str) -> bool:
    if text.isascii():
        return len(text.encode().translate(None, _ASCII_FORBIDDEN)) == len(text)
    # What can be printed is fit; of the rest some is, such as what joins emojis.
    lines = text.replace("\n", "").replace("\t", "")
    return lines.isprintable() or _UNFIT.search(text) is None
