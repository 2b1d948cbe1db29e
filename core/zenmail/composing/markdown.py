"""The body of an alert: Markdown, or plain text, as HTML and as readable text.

Alerts are written by programs as often as by people, so what only looks like Markdown
stays as it is: names such as ``my_feature_store`` and ``__init__``, ``<module>``,
``*args``, ``2*3*4`` and Windows paths. A line end stays a line end.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from html import escape as _escape
from typing import TYPE_CHECKING

from ..patterns import pattern
from .links import href, is_web_address, true_host
from .plain_html import CODE, PRE, P, Rendered, anchor, as_html, honest, spaced
from .plaintext import aligned, wrap

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

__all__ = ["from_markdown"]


# A text without any of these needs no parser.
_MARKED = pattern(
    r"[*`\\\[|]|<[a-zA-Z]|^ {0,3}(?:#|>|[-+] |[-+]$|\d{1,9}[.)][ \n]|~~~|---)|^(?: {4}|\t)",
    re.MULTILINE,
)
_PARAGRAPH_END = pattern(r"\n[ \t]*\n\s*")
_WINDOWS_PATH = pattern(r"(?<![A-Za-z])[A-Za-z]:\\|\\\\[\w.$-]+\\|\w\\\w")

_CELL = "padding:6px 10px;border:1px solid #d5dae1;vertical-align:top"


def from_markdown(source: str) -> Rendered:
    """Render Markdown: CommonMark with tables, without HTML."""
    source = source.strip("\n").rstrip()
    if not _MARKED.search(source):
        if "\n" not in source:
            return Rendered(
                f"{P}{as_html(source)}</p>\n" if source else "", wrap(honest(source))
            )
        parts = _PARAGRAPH_END.split(source)
        html = "".join(f"{P}{as_html(part)}</p>\n" for part in parts)
        return Rendered(html, "\n\n".join(wrap(honest(part)) for part in parts))
    able = {rule for rule, mark in _RULES if mark in source}
    if "\\" in source and _WINDOWS_PATH.search(source):
        able.discard("escape")
    writer = _Writer()
    writer.blocks(_parser(frozenset(able)).parse(source))
    return Rendered("".join(writer.html), "\n".join(writer.lines).strip("\n"))


# --- the parser


# Each rule is tried on each line, or at each mark: without those that cannot apply, parsing
# takes a third less.
_RULES = (
    ("autolink", "<"), ("backticks", "`"), ("balance_pairs", "*"), ("blockquote", ">"),
    ("code", "    "), ("code", "\t"), ("emphasis", "*"), ("escape", "\\"), ("fence", "```"),
    ("fence", "~~~"), ("heading", "#"), ("image", "!["), ("link", "["), ("table", "|"),
    ("text_join", "\\"),
)  # fmt: skip


@lru_cache(maxsize=64)
def _parser(able: frozenset[str]) -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": 20})
    parser.enable("table")
    # A definition such as "[step]: text" would vanish from the mail; a line of dashes
    # under a text is a rule, not a sign that the text is a heading.
    idle = {rule for rule, _ in _RULES} - able
    parser.disable(["reference", "lheading", "html_block", "html_inline", "entity", *idle])
    parser.inline.ruler.at("emphasis", _emphasis)
    parser.validateLink = is_web_address  # type: ignore[method-assign]
    parser.normalizeLink = str  # type: ignore[method-assign, assignment]
    parser.normalizeLinkText = str  # type: ignore[method-assign, assignment]
    return parser


_ASTERISKS = pattern(r"\*+")
# From here on, scripts write no spaces between words.
_CJK = "\u2e80"


def _emphasis(state: StateInline, silent: bool) -> bool:
    """Treat asterisks as marks only where a writer would put them: around whole words."""
    from markdown_it.rules_inline.state_inline import Delimiter

    source, start = state.src, state.pos
    if silent or (marks := _ASTERISKS.match(source, start, state.posMax)) is None:
        return False
    end = marks.end()
    before = source[start - 1] if start else " "
    after = source[end] if end < state.posMax else " "
    opens = (
        not after.isspace()
        and after not in "*/.,;:!?)]}|\\"
        and (before.isspace() or before in "([{\"'>-\u2013\u2014_:|" or before >= _CJK)
    )
    closes = (
        not before.isspace()
        and before not in "*/([{|\\"
        and not (
            (after.isalnum() and after < _CJK)
            or after in "_/\\*"
            or (after == "." and source[end + 1 : end + 2].isalnum())
        )
    )
    for _ in range(start, end):
        state.push("text", "", 0).content = "*"
        at = len(state.tokens) - 1
        state.delimiters.append(Delimiter(ord("*"), end - start, at, -1, opens, closes))
    state.pos = end
    return True


# --- the writer

_TAGS = {
    "strong_open": "<strong>",
    "strong_close": "</strong>",
    "em_open": "<em>",
    "em_close": "</em>",
}
_BLOCK_TAGS = {
    "paragraph_open": P,
    "paragraph_close": "</p>\n",
    "bullet_list_open": '<ul style="margin:0 0 12px;padding-inline-start:22px">\n',
    "blockquote_open": '<blockquote class="m" style="margin:0 0 12px;padding-inline-start:12px;'
    'border-inline-start:3px solid #c3cad3;color:#3d4550">\n',
    "list_item_open": '<li style="margin:0 0 4px">',
    "table_open": '<div tabindex="0" style="margin:0 0 12px;overflow-x:auto">\n'
    '<table class="d" style="border-collapse:collapse">\n',
    "thead_open": "<thead>",
    "thead_close": "</thead>\n",
    "tbody_open": "<tbody>",
    "tbody_close": "</tbody>\n",
    "tr_open": "<tr>",
    "tr_close": "</tr>\n",
    "bullet_list_close": "</ul>\n",
    "ordered_list_close": "</ol>\n",
    "list_item_close": "</li>\n",
    "blockquote_close": "</blockquote>\n",
    "th_close": "</th>",
    "td_close": "</td>",
    "table_close": "</table></div>\n",
    "heading_open": '<p style="margin:16px 0 8px;font-weight:bold">',
    "heading_close": "</p>\n",
    "hr": '<hr style="border:0;border-top:1px solid #d5dae1;margin:16px 0">\n',
}
_GAPS_BEHIND = {
    "paragraph_close", "heading_close", "blockquote_close", "table_close", "fence",
    "code_block", "hr",
}  # fmt: skip


class _Writer:
    """Writes the parser's tokens as HTML and as text, in one pass."""

    def __init__(self) -> None:
        self.html: list[str] = []
        self.lines: list[str] = []
        self._indents: list[str] = []
        self._bullet = ""
        self._numbers: list[int | None] = []
        self._rows: list[list[str]] = []

    def blocks(self, tokens: Sequence[Token]) -> None:
        for token in tokens:
            if token.type == "inline":
                html, text = self._inline(token.children or ())
                self.html.append(html)
                if self._rows:
                    self._rows[-1].append(text.replace("\n", " "))
                else:
                    self._say(text)
            elif not token.hidden:
                self.html.append(self._tag(token))
                self._lay_out(token)
                if token.type in _GAPS_BEHIND:
                    self._gap()

    def _tag(self, token: Token) -> str:
        kind = token.type
        if kind in ("fence", "code_block"):
            return f"{PRE}{_escape(token.content.rstrip(), quote=False)}</pre>\n"
        if kind == "ordered_list_open":
            number = token.attrGet("start")
            start = "" if number is None else f' start="{number}"'
            return f'<ol{start} style="margin:0 0 12px;padding-inline-start:26px">\n'
        if kind in ("th_open", "td_open"):
            align = str(token.attrGet("style") or "").partition(":")[2] or "start"
            scope = ' scope="col"' if kind == "th_open" else ""
            return f'<{kind[:2]}{scope} style="{_CELL};text-align:{align}">'
        return _BLOCK_TAGS.get(kind, "")

    def _lay_out(self, token: Token) -> None:
        match token.type:
            case "fence" | "code_block":
                for line in token.content.rstrip().split("\n"):
                    self._line(f"    {line}")
            case "hr":
                self._line("-" * 40)
            case "bullet_list_open":
                self._numbers.append(None)
            case "ordered_list_open":
                number = token.attrGet("start")
                self._numbers.append(1 if number is None else int(number))
            case "bullet_list_close" | "ordered_list_close":
                self._numbers.pop()
                if not self._numbers:
                    self._gap()
            case "list_item_open":
                number = self._numbers[-1]
                self._bullet = "- " if number is None else f"{number}. "
                if number is not None:
                    self._numbers[-1] = number + 1
                self._indents.append(" " * len(self._bullet))
            case "list_item_close":
                if self._bullet:
                    self._say("")
                self._indents.pop()
            case "blockquote_open":
                self._indents.append("| ")
            case "blockquote_close":
                self._indents.pop()
            case "tr_open":
                self._rows.append([])
            case "table_close":
                for line in aligned(self._rows):
                    self._line(line)
                self._rows = []

    def _inline(self, tokens: Sequence[Token]) -> tuple[str, str]:
        html: list[str] = []
        text: list[str] = []
        links: list[tuple[str, int]] = []
        for token in tokens:
            kind = token.type
            if kind == "text":
                # Behind a mark, a blank does not indent.
                blank = " " if token.content.startswith(" ") else ""
                words = token.content.removeprefix(" ")
                html.append(blank + (spaced(words) if links else as_html(words)))
                text.append(token.content if links else honest(token.content))
            elif kind == "code_inline":
                code = _escape(token.content, quote=False)
                html.append(f'<code class="k" dir="ltr" style="{CODE}">{code}</code>')
                text.append(token.content)
            elif kind == "link_open":
                url = str(token.attrGet("href") or "")
                links.append((url, len(text)))
                html.append(f'<a class="l" href="{_escape(href(url))}" style="color:#0b4a8f">')
            elif kind == "link_close":
                url, since = links.pop()
                html.append("</a>")
                label = "".join(text[since:]).strip()
                if host := true_host(url, label):
                    html.append(f" (leads to {_escape(host)})")
                if label not in (url, url.removeprefix("mailto:")):
                    text.append(f" ({url})")
                if host:
                    text.append(f" (leads to {host})")
            elif kind == "image":
                # No picture is fetched from the network: its address becomes a link.
                url, label = str(token.attrGet("src") or ""), token.content or "image"
                host = true_host(url, label)
                note = f" (leads to {host})" if host else ""
                html.append((_escape(label) if links else anchor(url, _escape(label))) + note)
                text.append(f"{label} ({url}){note}")
            elif kind in ("softbreak", "hardbreak"):
                html.append("<br>\n")
                text.append("\n")
            else:
                html.append(_TAGS.get(kind, _escape(token.content)))
        return "".join(html), "".join(text)

    def _lead(self) -> str:
        """Return what begins the next line: the indentation, and a list's bullet once."""
        indent, bullet = "".join(self._indents), self._bullet
        self._bullet = ""
        return indent[: len(indent) - len(bullet)] + bullet

    def _say(self, text: str) -> None:
        self.lines += wrap(text, "".join(self._indents), self._lead()).split("\n")

    def _line(self, line: str) -> None:
        self.lines.append((self._lead() + line).rstrip())

    def _gap(self) -> None:
        if self.lines and self.lines[-1].strip():
            self.lines.append("".join(self._indents).rstrip())
