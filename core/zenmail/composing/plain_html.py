"""Plain text as HTML that keeps its line ends, its alignment and its addresses."""

import re
from collections.abc import Iterator
from html import escape as _escape
from itertools import groupby
from typing import NamedTuple

from ..patterns import pattern
from .links import href, is_web_address, true_host

__all__ = [
    "CODE",
    "PRE",
    "P",
    "Rendered",
    "anchor",
    "as_html",
    "from_plain",
    "honest",
    "is_row",
    "spaced",
]

_WEB = pattern(r"https?://[^\s<>\"'`\x00-\x20]+", re.IGNORECASE)
_SPACES = pattern(r"(?m)^ +|  +|\t")

P = '<p style="margin:0 0 12px">\n'
CODE = (
    "font-family:Consolas,Menlo,'Liberation Mono',monospace;font-size:13px;"
    "background-color:#f1f3f5;color:#16191d"
)
PRE = (
    f'<pre class="k" dir="ltr" style="margin:0 0 12px;padding:12px;border-radius:6px;{CODE};'
    'line-height:1.5;white-space:pre-wrap;overflow-wrap:anywhere;text-align:left">'
)
_PRE_ALIGNED = PRE.replace(' dir="ltr"', ' dir="ltr" tabindex="0"').replace(
    "white-space:pre-wrap;overflow-wrap:anywhere", "white-space:pre;overflow-x:auto"
)
_COLUMNS = pattern(r"\S {2,}\S")


class Rendered(NamedTuple):
    """A text for both parts of a mail: escaped, to stand in a ``div``, and plain."""

    html: str
    text: str


def from_plain(source: str) -> Rendered:
    """Return a text verbatim, with its line ends and its indentation."""
    source = source.strip("\n")
    if not source:
        return Rendered("", "")
    if "  " not in source:
        return Rendered(f"{P}{as_html(source)}</p>\n", honest(source).rstrip())
    html = [
        f"{_PRE_ALIGNED}{_escape(honest(part), quote=False)}</pre>\n"
        if is_aligned
        else f"{P}{as_html(part)}</p>\n"
        for is_aligned, part in _aligned_parts(source)
    ]
    return Rendered("".join(html), honest(source).rstrip())


def is_row(line: str) -> bool:
    """Whether spaces divide a line into columns, as in a frame printed as text."""
    return bool(_COLUMNS.search(line))


def _aligned_parts(source: str) -> Iterator[tuple[bool, str]]:
    """Yield runs of lines, and whether spaces align them, as in a frame printed as text."""
    lines = source.split("\n")
    columns = list(map(is_row, lines))
    for at in range(len(lines)):
        # A title above, or a single column beside an index, belongs to the table.
        if not columns[at] and lines[at].startswith("  ") and any(columns[at + 1 : at + 2]):
            columns[at] = True
    for at, found in enumerate(columns):
        # One line alone is aligned with nothing.
        if found and not any(columns[max(0, at - 1) : at] + columns[at + 1 : at + 2]):
            columns[at] = False
    for is_aligned, group in groupby(range(len(lines)), key=columns.__getitem__):
        text = "\n".join(lines[index] for index in group)
        if text.strip():
            yield is_aligned, text if is_aligned else text.strip("\n")


def as_html(text: str) -> str:
    """Return escaped text whose line ends, indentation and addresses stay visible."""
    if "://" in text and (matches := list(_WEB.finditer(text))):
        pieces: list[str] = []
        done = 0
        for match in matches:
            url = _without_punctuation(match[0])
            if not is_web_address(url):
                continue
            pieces += (spaced(text[done : match.start()]), anchor(url, _escape(url)))
            if host := true_host(url, url):
                pieces.append(f" (leads to {_escape(host)})")
            done = match.start() + len(url)
        pieces.append(spaced(text[done:]))
        return "".join(pieces)
    return spaced(text)


def honest(text: str) -> str:
    """Return the text with the hosts of those addresses that hide where they lead."""

    def told(match: re.Match[str]) -> str:
        url = _without_punctuation(match[0])
        host = true_host(url, url) if is_web_address(url) else ""
        return f"{url} (leads to {host}){match[0][len(url) :]}" if host else match[0]

    hides = "://" in text and ("@" in text or not text.isascii())
    return _WEB.sub(told, text) if hides else text


def spaced(text: str) -> str:
    """Return escaped text whose line ends and indentation stay visible."""
    text = _escape(text, quote=False)
    if "  " in text or "\t" in text or "\n " in text or text.startswith(" "):
        text = _SPACES.sub(_hard_spaces, text)
    return text.replace("\n", "<br>\n") if "\n" in text else text


def _hard_spaces(match: re.Match[str]) -> str:
    if match[0] == "\t":
        return "&nbsp;&nbsp;&nbsp; "
    return "&nbsp;" * (len(match[0]) - 1) + (" " if match.start() else "&nbsp;")


def _without_punctuation(url: str) -> str:
    """Return an address without the punctuation of the sentence around it."""
    while url:
        last = url[-1]
        if last in ".,;:!?*_~'|" or (
            last in ")]}" and url.count(last) > url.count("([{"[")]}".index(last)])
        ):
            url = url[:-1]
        else:
            break
    return url


def anchor(url: str, label: str) -> str:
    """Return a link; the label is HTML."""
    return f'<a class="l" href="{_escape(href(url))}" style="color:#0b4a8f">{label}</a>'
