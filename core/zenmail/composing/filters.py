"""What templates may use, and what zenmail's own need to be rendered without Jinja2."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import getitem
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import markupsafe
from markupsafe import Markup

from ..patterns import pattern
from .links import href, is_web_address
from .plain_html import as_html
from .plaintext import WIDTH, aligned, continued, wrap

if TYPE_CHECKING:
    from jinja2 import Environment

    from .summaries import Metric

__all__ = ["Variables", "jinja_settings", "prepared"]

_TRENDS: Final = {"good": " better", "bad": " worse", "": ""}


def jinja_settings() -> dict[str, Any]:
    """Return how all templates are read."""
    from jinja2 import StrictUndefined

    return {
        "autoescape": lambda name: name is None or not name.endswith(".txt"),
        "undefined": StrictUndefined,
        "trim_blocks": True,
        "lstrip_blocks": True,
    }


def prepared(environment: Environment) -> Environment:
    """Return the environment with the filters and tests of templates."""
    environment.filters.update(_FILTERS)
    environment.tests.update(_TESTS)
    return environment


_SPECIAL: Final = pattern(r"[&<>\"']")


def escape(value: object) -> str:
    """Return a value as HTML; markupsafe's own would wrap what needs no escaping, too."""
    if type(value) is str and not _SPECIAL.search(value):
        return value
    return markupsafe.escape(value)


def _pairs(rows: Iterable[tuple[str, str]], indent: str = "") -> str:
    return "\n".join(
        [
            wrap(f"{name}: {value}" if name else value, f"{indent}  ", indent)
            for name, value in rows
        ]
    )


def _page_title(title: str) -> str:
    # Validators warn above 70 characters, and count them escaped.
    short = title[:70]
    while len(escape(short)) > 70:
        short = short[:-1]
    return short


def _columns(
    rows: Iterable[Sequence[str]], right: Iterable[int] = (), most: int | None = None
) -> str:
    cells = [[" ".join(str(cell).split()) for cell in row[:most]] for row in rows]
    return "\n".join(aligned(cells, right=frozenset(right)))


def _metric_rows(metrics: Iterable[Metric]) -> list[list[str]]:
    rows = [[*metric[:3], metric.change + _TRENDS[metric.trend]] for metric in metrics]
    return [["Metric", "Value", "Baseline", "Change"], *rows]


def _size(title: str) -> str:
    """Return the class of a title that fills two lines of a phone at most."""
    width = len(title)
    if not title.isascii():
        width += sum(character >= "\u1100" for character in title)
    return "g1" if width <= 22 else "g2" if width <= 38 else "g3"


_CODE: Final = pattern(r"(`+)(.+?)\1(?!`)")


def _coded(sentence: str) -> Markup:
    """Return a sentence as HTML, with links, and what stands between backticks as code."""
    html = as_html(sentence)
    return Markup(_CODE.sub(_CODE_TAG, html) if "`" in html else html)  # noqa: S704 - escaped


_CODE_TAG: Final = (
    r'<code class="k" dir="ltr"\nstyle="padding:1px 4px;border-radius:4px;'
    r"background-color:#f1f3f5;\ncolor:#16191d;font-family:Consolas,Menlo,monospace;"
    r'font-size:13px;\noverflow-wrap:anywhere">\2</code>'
)


def _item(sentence: str) -> str:
    """Return a sentence as an item of a list; a long command has lines of its own."""
    plain = _CODE.sub(r"\2", sentence)
    match = _CODE.search(sentence)
    if len(plain) <= WIDTH - 2 or match is None or match.end() < len(sentence):
        return wrap(plain, "  ", "- ")
    label = wrap(sentence[: match.start()].rstrip(), "  ", "- ")
    return f"{label}\n{continued(match[2], '    ')}"


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


def _other_lines(text: str) -> str:
    return text[len(_first_line(text)) :]


def _change(metric: Metric) -> Markup:
    """Return a change without a break in its numbers; a phone shows the share alone."""
    # As references, or the whole page would have to be encoded for two characters.
    text = str(escape(metric.change)).replace("\u25b2", "&#9650;").replace("\u25bc", "&#9660;")
    amount, found, share = text.partition(" (")
    wide = f'<span class="w"\nstyle="white-space:nowrap">{amount}<br></span>\n' if found else ""
    rest = share.replace(")", "", 1) if found else text
    return Markup(  # noqa: S704 - escaped
        f'{wide}<span style="white-space:nowrap">{rest}</span>{_TRENDS[metric.trend]}'
    )


_FILTERS: Final[dict[str, Any]] = {
    "wrap": wrap,
    "continued": continued,
    "coded": _coded,
    "item": _item,
    "columns": _columns,
    "pairs": _pairs,
    "href": href,
    "page_title": _page_title,
    "size": _size,
    "first_line": _first_line,
    "other_lines": _other_lines,
    "change": _change,
    "metric_rows": _metric_rows,
}
_TESTS: Final = {"web_address": is_web_address}


# --- what the code that Jinja2 makes of a template calls


class Variables:
    """The variables of a template, as its code asks for them."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values
        self.resolve_or_missing = values.__getitem__


def LoopContext(items: Sequence[Any], *rest: Any) -> Iterator[Any]:  # noqa: N802
    """Return what gives each item with Jinja's own ``loop``, which only tables look at."""
    if not items:
        return iter(())
    from jinja2.runtime import LoopContext

    return LoopContext(items, *rest)


def Undefined(*_: object) -> str:  # noqa: N802 - Jinja's name
    """Return what an inline ``if`` without ``else`` writes."""
    return ""


def str_join(parts: Iterable[object]) -> str:
    """Return what ``~`` makes in a text."""
    return "".join(map(str, parts))


environment = SimpleNamespace(
    filters={**_FILTERS, "length": len},
    tests=_TESTS,
    getitem=getitem,
    concat="".join,
    undefined=Undefined,
)
missing = object()
