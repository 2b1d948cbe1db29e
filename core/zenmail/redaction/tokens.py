"""Tokens of the formats in ``token_formats.txt``, found by one search.

A line of the table gives the vendor, the token and where its format is documented. In a token,
what is written stands for itself, ``{m32}`` for 32 characters of an alphabet, ``{m32-40}`` for
32 to 40, and ``{m32+}`` for 32 or more. What precedes the first brace stays readable.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

from .spans import MASK, Span

__all__ = ["Format", "formats", "holds_tokens", "token_spans"]


class Format(NamedTuple):
    """The format of a token.

    Attributes:
        vendor: Whose tokens they are, and of which kind.
        pattern: What they look like, in the notation of the table.
        documented: Where the vendor, or its code, shows the format.
    """

    vendor: str
    pattern: str
    documented: str


_ALPHABETS: Final = {
    "h": "[0-9a-f]",
    "a": "[a-z0-9]",
    "A": "[A-Z0-9]",
    "m": "[A-Za-z0-9]",
    "l": "[a-z]",
    "w": "[A-Za-z0-9_-]",
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
_BLANK: Final = re.compile(r"\{(\w)(\d+)(?:-(\d+)|(\+))?\}")
_SHORTEST: Final = 20
_BREAKS: Final = str.maketrans(dict.fromkeys("/\"'(),;=<>[]{}", " "))


@cache
def formats() -> tuple[Format, ...]:
    """Return the table."""
    table = files("zenmail.redaction").joinpath("token_formats.txt").read_text("utf-8")
    return tuple(Format(*re.split(r"\s+\|\s+", line)) for line in table.splitlines())


def _regex(pattern: str) -> str:
    pieces: list[str] = []
    at = 0
    for blank in _BLANK.finditer(pattern):
        pieces.append(re.escape(pattern[at : blank.start()]))
        alphabet, least, most, more = blank.groups()
        if alphabet == "r":
            pieces.append(_NO_WORD)
        characters = _ALPHABETS.get(alphabet, "[A-Za-z0-9_-]")
        pieces.append(f"{characters}{{{least},{'' if more else most or least}}}")
        at = blank.end()
    pieces.append(re.escape(pattern[at:]))
    if pattern.startswith("yJ{"):
        pieces.append(r"(?:\.[\w-]*)*")
    # A longer run is a different token; a full stop or "=" ends a sentence.
    if not pattern.endswith("+}"):
        pieces.append("(?![A-Za-z0-9_-])")
    elif "{b" in pattern:
        pieces.append("={0,2}")
    return "".join(pieces)


@cache
def _search() -> re.Pattern[str]:
    by_first: dict[str, list[str]] = {}
    for known in formats():
        first = "" if known.pattern[0] == "{" else known.pattern[0]
        by_first.setdefault(first, []).append(_regex(known.pattern.removeprefix(first)))
    without_start = "|".join(by_first.pop("", []))
    # One literal before each group is how the search rules most of them out at once.
    groups = [f"{re.escape(first)}(?:{'|'.join(them)})" for first, them in by_first.items()]
    # A token begins where a word does, and behind an escaped or encoded character.
    begin = (
        r"(?:(?<![A-Za-z0-9_])|(?<=\\[nrt])|(?<=%[0-9A-F]{2}))"
        r"(?=[A-Za-z0-9.][\w.:~+/=|$-]{15})"
    )
    return re.compile(f"{begin}(?:{'|'.join(groups)}|(?<![\\w+-])(?:{without_start}))")


@cache
def _clues_of_slashed() -> tuple[str, ...]:
    """Return what stands in tokens that may hold a slash, which breaks words."""
    slashed = [it.pattern for it in formats() if re.search(r"\{[bv]|/", it.pattern)]
    clues = {max(_BLANK.sub("\n", it).split("\n"), key=len)[:7] for it in slashed}
    return tuple(clue for clue in clues if not clue.startswith(tuple(clues - {clue})))


@cache
def _starts() -> tuple[str, ...]:
    starts = {known.pattern.partition("{")[0] for known in formats()}
    return tuple(sorted(filter(None, starts), key=len, reverse=True))


def holds_tokens(text: str) -> bool:
    """Whether there is any token in the text; quick where no word is long enough for one."""
    long = [word for word in text.translate(_BREAKS).split() if len(word) >= _SHORTEST]
    if not long:
        return False
    if _search().search("\n".join(long)) is not None:
        return True
    slashed = [clue for clue in _clues_of_slashed() if text.rfind(clue) >= 0]
    return bool(slashed) and _search().search(text) is not None


def token_spans(text: str) -> Iterator[Span]:
    """Yield where tokens stand; what they begin with tells the reader whose they were."""
    for found in _search().finditer(text):
        if len(set(found[0][-24:])) >= 4:  # not "xxxx..."
            start = next(filter(found[0].startswith, _starts()), "")
            shown = f"{start}...{MASK}" if start else MASK
            yield Span(found.start(), found.end(), "token", shown)
