"""The text of an HTML document, for mails that were given nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

__all__ = ["html_to_text"]

# html.parser is not used: on hostile input it takes quadratic time in the Pythons we
# support (CVE-2025-6069), and all that is needed here is what stands between the tags.
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)")
_HREF = re.compile(r"""\bhref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_ALT = re.compile(r"""\balt\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
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
    pieces: list[str] = []
    href, said = "", 0
    preformatted = False
    for tag, closing, attributes, text in _tokens(html):
        if text:
            text = unescape(text)
            pieces.append(text if preformatted else re.sub(r"[ \t\r\n\f]+", " ", text))
        elif tag in _PARAGRAPHS:
            pieces.append("\n\n")
            preformatted = tag == "pre" and not closing
        elif tag in _LINES:
            pieces.append("\n- " if tag == "li" and not closing else "\n")
        elif tag in _CELLS and closing:
            pieces.append("  ")
        elif tag == "img" and not closing:
            pieces.append(_attribute(_ALT, attributes))
        elif tag == "a" and not closing:
            href, said = _attribute(_HREF, attributes), len(pieces)
        elif tag == "a" and href:
            if not href.startswith("#") and href not in "".join(pieces[said:]):
                pieces.append(f" <{href}>")
            href = ""
    lines = [line.strip() for line in "".join(pieces).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _attribute(pattern: re.Pattern[str], attributes: str) -> str:
    match = pattern.search(attributes[:_LONGEST_ATTRIBUTES])
    return unescape(next(filter(None, match.groups()), "")) if match else ""


def _tokens(html: str) -> Iterator[tuple[str, bool, str, str]]:
    """Yield tag, whether it closes, its attributes, and the text between two tags."""
    position, end = 0, len(html)
    unclosed: set[str] = set()
    while position < end:
        opening = html.find("<", position)
        if opening < 0 or ">" in unclosed:
            yield "", False, "", html[position:]
            return
        if opening > position:
            yield "", False, "", html[position:opening]
        if html.startswith("<!--", opening):
            closing = html.find("-->", opening)
            position = end if closing < 0 else closing + 3
            continue
        match = _TAG.match(html, opening)
        if not (match or html.startswith(("<!", "<?", "</"), opening)):
            yield "", False, "", "<"
            position = opening + 1
            continue
        closing = html.find(">", opening)
        if closing < 0:
            unclosed.add(">")
            position = opening
            continue
        position = closing + 1
        if not match:
            continue
        tag = match[2].lower()
        if tag in _SKIPPED and not match[1] and tag not in unclosed:
            end_tag = re.compile(rf"</{tag}\b[^>]{{0,100}}>", re.IGNORECASE)
            behind = end_tag.search(html, position)
            if behind:
                position = behind.end()
            else:
                unclosed.add(tag)
        else:
            yield tag, bool(match[1]), html[match.end() : closing], ""
