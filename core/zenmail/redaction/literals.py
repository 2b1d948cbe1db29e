"""Where a value ends in a text: at its quotation mark, its bracket, its indentation."""

from __future__ import annotations

import re

from ..patterns import pattern
from .looks import is_random

__all__ = [
    "CLOSING",
    "LONGEST_VALUE",
    "QUOTE",
    "closing_mark",
    "holds_random",
    "indented_below",
    "line_end",
    "matching_bracket",
    "past_scheme",
]

CLOSING = {"(": ")", "[": "]", "{": "}"}
_BRACKETS_AND_QUOTES = pattern(r"\\.|[\"'()\[\]{}]", re.DOTALL)
QUOTE = pattern(r"[\"']")
_PIECE = pattern(r"[^\s\"'\\,;:=()\[\]{}|]{6,200}")
_SCHEME = pattern(
    r"(?:bearer|basic|token|digest|apikey|api-key|negotiate|splunk)[ \t]+", re.IGNORECASE
)
# YAML, 8.1: a text over several lines, as far as they are indented.
_BLOCK = pattern(
    r"[|>][-+0-9]{0,2}[ \t]*(?:(?<=[ \t])#[^\n]{0,200})?\r?\n"
    r"(?:[ \t]{0,80}\r?\n){0,20}(?P<indent>[ \t]+)(?=\S)"
)
_ESCAPED = pattern(r"(?<!\\)(?:\\\\)*\\\Z")
LONGEST_VALUE = 8192
_LONGEST_LIST = 4000


def holds_random(text: str) -> bool:
    """Whether any piece of a text looks random."""
    return any(
        is_random(piece[0]) and not text.startswith("(", piece.end())
        for piece in _PIECE.finditer(text)
    )


def past_scheme(text: str, position: int, end: int | None = None) -> int:
    """Return where the value begins, behind a word such as "Bearer" if there is one."""
    found = _SCHEME.match(text, position, len(text) if end is None else end)
    return found.end() if found else position


def indented_below(text: str, position: int) -> tuple[int, int] | None:
    """Return where the lines of a text stand that YAML's ``|`` or ``>`` begins, or None."""
    block = _BLOCK.match(text, position)
    if block is None:
        return None
    key = text[text.rfind("\n", 0, position) + 1 : position]
    margin = len(key) - len(key.lstrip(" \t-"))
    if len(block["indent"]) <= margin:
        return None
    start = block.end()
    end = following = line_end(text, start, len(text))
    while following < len(text):
        begin = following + 1
        following = line_end(text, begin, len(text))
        line = text[begin:following].rstrip()
        if line:
            if len(line) - len(line.lstrip(" \t")) <= margin:
                break
            end = begin + len(line)
    return start, start + len(text[start:end].rstrip())


def matching_bracket(text: str, position: int) -> int:
    """Return where a bracket is closed, or the line's end when it is not, or far away."""
    open_brackets: list[str] = []
    quote = ""
    holds_texts = QUOTE.search(text, position, position + 200)
    end = position + (_LONGEST_LIST if holds_texts else 400)
    for found in _BRACKETS_AND_QUOTES.finditer(text, position, end):
        mark = found[0]
        if quote:
            quote = "" if mark == quote else quote
        elif mark in "\"'":
            quote = mark
        elif mark in CLOSING:
            open_brackets.append(CLOSING[mark])
        elif open_brackets and mark == open_brackets[-1]:
            open_brackets.pop()
            if not open_brackets:
                return found.start()
    return line_end(text, position)


def closing_mark(text: str, position: int, mark: str) -> int:
    """Return where a quoted value ends: at its mark, at the line's end, or at the limit."""
    limit = min(len(text), position + LONGEST_VALUE)
    line = text.find("\n", position, limit)
    stop = line if line >= 0 else limit
    at = text.find(mark, position, stop)
    while at > 0 and len(mark) == 1 and _ESCAPED.search(text, max(position, at - 64), at):
        at = text.find(mark, at + 1, stop)
    return at if at >= 0 else stop


def line_end(text: str, position: int, most: int = LONGEST_VALUE) -> int:
    """Return where the line ends, or how far it is looked at."""
    end = text.find("\n", position, position + most)
    return end if end >= 0 else min(len(text), position + most)
