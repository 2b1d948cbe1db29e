"""Text made fit to travel: what no mail may hold is taken out, the rest is kept."""

from __future__ import annotations

import re

__all__ = ["clean_line", "clean_text"]

_ANSI = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
# Overrides and isolates that make a text read other than it is stored (CVE-2021-42574).
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LINE_END = re.compile("\r\n?|\x85|\u2028|\u2029")
_SPACE = re.compile(r"[\s\x85\u2028\u2029]+")
_PLAIN = re.compile(r"[\t\n -~\xa0-\u2027\u202f-\u2065\u206a-\ud7ff\ue000-\U0010ffff]*\Z")


def clean_text(text: str) -> str:
    """Return the text with ``\\n`` line ends and without terminal codes and controls.

    Lone surrogates become U+FFFD; tabs and line ends stay.
    """
    if _PLAIN.match(text):
        return text
    text = _ANSI.sub("", text)
    text = _LINE_END.sub("\n", text)
    text = _CONTROL.sub("", text)
    text = _BIDI.sub("", text)
    return _SURROGATE.sub("\ufffd", text)


def clean_line(text: str, *, limit: int = 998) -> str:
    """Return the text as one line of at most ``limit`` characters, fit for a header."""
    if len(text) > 4 * limit:
        text = text[: 4 * limit]
    line = _SPACE.sub(" ", clean_text(text)).strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"
