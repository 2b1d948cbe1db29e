"""The text of an HTML document, for mails that were given nothing else."""

from __future__ import annotations

import re
from html import unescape

from ..patterns import pattern

__all__ = ["html_to_text"]

# html.parser is not used: on hostile input it takes quadratic time in the Pythons we
# support (CVE-2025-6069), and all that is needed here is what stands between the tags.
_TAG = pattern(r"<(?:(/?)([A-Za-z][A-Za-z0-9]*)([^>]*)|[!?/][^>]*)>")
_BLANKS = pattern(r"[ \t\r\n\f]+")
_HREF = pattern(r"""\bhref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_ALT = pattern(r"""\balt\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_SKIPPED = frozenset({"head", "script", "style", "template", "title"})
_PARAGRAPHS = frozenset(
    {
        "blockquote", "dl", "figure", "form", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "ol",
        "p", "pre", "section", "table", "ul",
    }
)  # fmt: skip
_LINES = frozenset(
    {
        "address", "article", "aside", "br", "dd", "div", "dt", "footer", "header", "li",
        "main", "nav", "tr",
    }
)  # fmt: skip
_CELLS = frozenset({"td", "th"})
_LONGEST_ATTRIBUTES = 2_000


def html_to_text(html: str) -> str:
    """Return what the document says, one line per block, links with their addresses."""
    html = _without_comments(html)
    pieces: list[str] = []
    href, said, preformatted = "", 0, False
    skipped: str | None = None
    position = 0
    # Every "<" up to the last ">" has an end, so that every search succeeds.
    for match in _TAG.finditer(html, 0, html.rfind(">") + 1):
        closing, name, attributes = match.groups()
        tag = name.lower() if name else ""
        if skipped:
            if closing and tag == skipped:
                skipped, position = None, match.end()
            continue
        if position < match.start():
            text = html[position : match.start()]
            pieces.append(text if preformatted else _BLANKS.sub(" ", text))
        position = match.end()
        if tag in _SKIPPED and not closing:
            skipped = tag
        elif tag in _PARAGRAPHS:
            pieces.append("\n\n")
            preformatted = tag == "pre" and not closing
        elif tag in _LINES:
            pieces.append("\n- " if tag == "li" and not closing else "\n")
        elif tag in _CELLS and closing:
            pieces.append("  ")
        elif tag == "img":
            pieces.append(_attribute(_ALT, attributes))
        elif tag == "a" and not closing:
            href, said = _attribute(_HREF, attributes), len(pieces)
        elif tag == "a" and href:
            if not href.startswith("#") and href not in "".join(pieces[said:]):
                pieces.append(f" <{href}>")
            href = ""
    # An element that is never closed hides nothing.
    rest = html[position:]
    pieces.append(rest if preformatted else _BLANKS.sub(" ", rest))
    lines = [line.strip() for line in unescape("".join(pieces)).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _attribute(pattern: re.Pattern[str], attributes: str) -> str:
    match = pattern.search(attributes[:_LONGEST_ATTRIBUTES])
    return next(filter(None, match.groups()), "") if match else ""


def _without_comments(html: str) -> str:
    kept, position = [], 0
    while (start := html.find("<!--", position)) >= 0:
        kept.append(html[position:start])
        end = html.find("-->", start)
        position = len(html) if end < 0 else end + 3
    kept.append(html[position:])
    return "".join(kept)
