"""Tokens of the formats in ``token_formats.txt``, found by one search.

A line of the table gives the vendor, what its tokens begin with (which stays readable), the
rest of them, and where they are documented. In the rest, what is written stands for itself,
``{m32}`` for 32 characters of an alphabet, ``{m32-40}`` for 32 to 40, ``{m32+}`` for 32 and up.
"""

import re
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

from ..patterns import pattern
from .spans import MASK, Span

__all__ = ["Format", "formats", "holds_tokens", "token_spans"]


class Format(NamedTuple):
    """The format of a vendor's tokens: a line of the table for each beginning."""

    vendor: str
    start: str
    rest: str
    documented: str


_ALPHABETS: Final = {
    "h": "[0-9a-f]",
    "a": "[a-z0-9]",
    "A": "[A-Z0-9]",
    "m": "[A-Za-z0-9]",
    "l": "[a-z]",
    "w": "[A-Za-z0-9_-]",
    "e": "[A-Za-z0-9_=-]",
    "x": "[A-Za-z0-9_.~-]",
    "b": "[A-Za-z0-9+/_-]",
    "p": "[A-Za-z0-9%]",
    "v": "[A-Za-z0-9_/@%-]",
    "d": "[0-9]",
}
# "sk-" begins words, too: within the first characters a digit stands among letters.
_NO_WORD: Final = (
    r"(?<!-sk-)" r"(?=[\w-]{0,60}?(?:[0-9][a-zA-Z]{1,6}[0-9]|[a-z][A-Z]{1,2}[a-z]?[0-9A-Z]))"
)
_BLANK: Final = pattern(r"\{(\w)(\d+)(?:-(\d+)|(\+))?\}")
_HEAD: Final = re.compile(r"\b(?=(\w\S\S))", re.ASCII)
_PATH_BEGINS: Final = ("/", '"/', "'/", "(/")
_SHORTEST: Final = 20
_SHORTEST_WITHOUT_START: Final = 36
# A token begins where a word does, and behind an escaped or encoded character.
_BEGIN: Final = (
    r"(?:(?<![A-Za-z0-9_])|(?<=\\[nrt])|(?<=%[0-9A-F]{2}))(?=[A-Za-z0-9.][\w.:~+/=|$!-]{15})"
)


@cache
def formats() -> tuple[Format, ...]:
    """Return the table."""
    table = Path(__file__).with_name("token_formats.txt").read_text("utf-8")
    rows = ([cell.strip() for cell in line.split(" | ")] for line in table.splitlines())
    return tuple(
        Format(vendor, start, rest, documented)
        for vendor, starts, rest, documented in rows
        for start in starts.split() or [""]
    )


def _regex(known: Format) -> str:
    source = known.start + known.rest
    pieces: list[str] = []
    at = 0
    for blank in _BLANK.finditer(source):
        pieces.append(re.escape(source[at : blank.start()]))
        alphabet, least, most, more = blank.groups()
        if alphabet == "r":
            pieces.append(_NO_WORD)
        characters = _ALPHABETS.get(alphabet, "[A-Za-z0-9_-]")
        pieces.append(f"{characters}{{{least},{'' if more else most or least}}}")
        at = blank.end()
    pieces.append(re.escape(source[at:]))
    if source.startswith("eyJ{"):
        pieces.append(r"(?:\.[\w-]*)*")
    # A longer run is a different token; a full stop or "=" ends a sentence.
    if not source.endswith("+}"):
        pieces.append("(?![A-Za-z0-9_-])")
    elif "{b" in source:
        pieces.append("={0,2}")
    return "".join(pieces)


@cache
def _any_start() -> str:
    """Return what matches the beginning of any token."""
    by_first: dict[str, set[str]] = {}
    for known in formats():
        if known.start:
            by_first.setdefault(known.start[0], set()).add(known.start[1:])
    # One literal before each group is how the search rules most of them out at once.
    groups: list[str] = []
    for first, them in by_first.items():
        rests = [
            re.escape(rest) + (r"(?=[\w-]{6})" if len(rest) < 2 else "")
            for rest in sorted(them, key=len, reverse=True)
        ]
        groups.append(f"{re.escape(first)}(?:{'|'.join(rests)})")
    return f"(?:{'|'.join(groups)})"


@cache
def _starts() -> re.Pattern[str]:
    # It takes up nothing, for within what begins as one token another one may.
    return re.compile(f"{_BEGIN}(?=({_any_start()}))")


@cache
def _starts_by_head() -> dict[str, list[str]]:
    """Return what tokens begin with, by the first three characters."""
    by_head: dict[str, list[str]] = {}
    for start in {known.start for known in formats()}:
        by_head.setdefault(start[:3], []).append(start)
    return by_head


@cache
def _short_starts() -> re.Pattern[str]:
    short = "|".join(re.escape(head) for head in _starts_by_head() if 0 < len(head) < 3)
    return re.compile(rf"\b(?:{short})(?=[\w-]{{6}})", re.ASCII)


def _may_hold_tokens(words: str) -> bool:
    """Whether a word begins as tokens do; one expression for all would compile for long."""
    by_head = _starts_by_head()
    heads = by_head.keys() & set(_HEAD.findall(words))
    return any(start in words for head in heads for start in by_head[head]) or bool(
        _short_starts().search(words)
    )


@cache
def _tokens(start: str) -> re.Pattern[str]:
    """Return what matches the tokens that may begin so, compiled when one is seen."""
    able = [known for known in formats() if known.start and start.startswith(known.start)]
    able.sort(key=lambda known: known.start, reverse=True)
    return re.compile("|".join(map(_regex, able)))


@cache
def _without_start() -> re.Pattern[str]:
    known = [_regex(it) for it in formats() if not it.start]
    return re.compile(rf"{_BEGIN}(?<![+-])(?:{'|'.join(known)})")


def _with_start(text: str) -> Iterator[tuple[str, re.Match[str]]]:
    """Yield tokens, with what each begins with."""
    done = 0
    for begin in _starts().finditer(text):
        at = begin.start()
        if at >= done and (token := _tokens(begin[1]).match(text, at)):
            done = token.end()
            yield begin[1], token


def holds_tokens(text: str) -> bool:
    """Whether there is any token in the text; quick where no word is long enough for one."""
    pieces: list[str] = []
    for word in [word for word in text.split() if len(word) >= _SHORTEST]:
        # Some tokens hold slashes, but none begins with one, as paths do.
        pieces += word.split("/") if word.startswith(_PATH_BEGINS) else (word,)
    long = [piece for piece in pieces if len(piece) >= _SHORTEST]
    words = "\n".join(long)
    # Few words begin as a token does; in the others, one may stand behind an escape.
    begun = "\\" in words or "%" in words or _may_hold_tokens(words)
    if begun and any(_with_start(words)):
        return True
    long = [piece for piece in long if len(piece) >= _SHORTEST_WITHOUT_START]
    return bool(long) and _without_start().search("\n".join(long)) is not None


def token_spans(text: str) -> Iterator[Span]:
    """Yield where tokens stand; what they begin with tells the reader whose they were."""
    without = (("", token) for token in _without_start().finditer(text))
    for start, token in chain(_with_start(text), without):
        if len(set(token[0][-24:])) >= 4:  # not "xxxx..."
            shown = f"{start}...{MASK}" if start else MASK
            yield Span(token.start(), token.end(), "token", shown)
