"""Content turned into HTML and text by Jinja2, with zenmail's templates or the user's."""

from __future__ import annotations

import importlib.util
import logging
import pkgutil
import re
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from markupsafe import Markup, escape

from ..errors import TemplateError
from .content import Content
from .markdown import aligned, href, is_web_address, wrap

if TYPE_CHECKING:
    from jinja2 import BaseLoader, Environment, Template
    from jinja2.nodes import EvalContext

__all__ = ["Page", "users_loader"]

_logger = logging.getLogger(__name__)

_LONGEST: Final = 500_000
_MOST_STEPS: Final = 200_000


class Page:
    """The content of a mail, ready for any template.

    Args:
        content: What to render.
    """

    def __init__(self, content: Content) -> None:
        variables = content._asdict()
        variables["message_html"] = Markup(content.message_html)  # noqa: S704 - escaped
        variables["lang_and_dir"] = Markup(  # noqa: S704 - made from our own tables
            f'lang="{content.lang}" dir="{content.dir}"'
        )
        variables["tone"] = _TONES[content.severity]
        self._variables: dict[str, Any] = variables

    def html(self) -> str:
        """Return the HTML part."""
        return self._own("alert.html")

    def text(self) -> str:
        """Return the text part."""
        return _tidy(self._own("alert.txt"))

    def _own(self, name: str) -> str:
        template = _builtin_template(name)
        # The context is not copied, and holds none of Jinja's globals: they are not used.
        context = template.new_context(self._variables, shared=True)
        return "".join(template.root_render_func(context))

    def with_templates(self, templates: str | Path, name: str) -> str | None:
        """Return a part rendered with a template of the user's.

        Args:
            templates: A folder, or "package:folder".
            name: "alert.html" or "alert.txt".

        Returns:
            The part; None when there is no such template in the folder.

        Raises:
            TemplateError: The folder does not exist, or the template does not render.
        """
        from jinja2 import TemplateNotFound

        environment = _sandbox(str(templates))
        try:
            template = environment.get_template(name)
        except TemplateNotFound as error:
            if error.name == name:
                return None
            raise TemplateError(
                f"{name} extends {error.name!r}, which there is not."
            ) from error
        except Exception as error:
            raise TemplateError(f"{name}: {_reason(error)}") from error
        spent = _steps.set([_MOST_STEPS])
        try:
            pieces, length = [], 0
            for piece in template.root_render_func(template.new_context(self._variables)):
                length += len(piece)
                if length > _LONGEST:
                    raise _Runaway(f"It writes more than {_LONGEST:,} characters.")
                pieces.append(piece)
        except _Runaway as error:
            raise TemplateError(f"{name}: {error}") from None
        except Exception as error:
            raise TemplateError(f"{name}: {_reason(error)}") from error
        finally:
            _steps.reset(spent)
        text = "".join(pieces)
        return text if name.endswith(".html") else _tidy(text)


def _reason(error: Exception) -> str:
    line = getattr(error, "lineno", None)
    return f"{type(error).__name__}: {error}{f' (line {line})' if line else ''}"


class _Tone(NamedTuple):
    strong: Markup
    badge: Markup
    sign: Markup


def _tone(number: int, strong: str, soft: str, sign: str) -> _Tone:
    badge = (
        f'class="s{number}"\nstyle="padding:3px 10px;border-radius:10px;font-weight:bold;\n'
        f'color:{strong};background-color:{soft}"'
    )
    return _Tone(Markup(strong), Markup(badge), Markup(sign))  # noqa: S704 - constants


_TONES: Final = {
    "info": _tone(0, "#0b4a8f", "#e8f1fb", "i"),
    "success": _tone(1, "#14532d", "#e6f4ea", "&#10003;"),
    "warning": _tone(2, "#6b3a00", "#fdf1dc", "!"),
    "error": _tone(3, "#8b1111", "#fdecec", "&#10005;"),
    "critical": _tone(4, "#8b1111", "#fdecec", "&#10005;"),
}


def _tidy(text: str) -> str:
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text.strip("\n") + "\n"


# --- zenmail's own templates


# Whether a template inherits from ours or not, its blocks are rendered through a chain of
# generators; ours on its own does without.
_BLOCK_TAG: Final = re.compile(r"\{% (?:block \w+|endblock) %\}\n?")


@cache
def _builtin() -> Environment:
    from jinja2 import Environment, FunctionLoader

    return _prepared(
        Environment(loader=FunctionLoader(_without_blocks), **_settings())  # noqa: S701
    )


def _without_blocks(name: str) -> str:
    source = pkgutil.get_data("zenmail.composing", f"templates/{name}") or b""
    return _BLOCK_TAG.sub("", source.decode("utf-8"))


@cache
def _builtin_template(name: str) -> Template:
    return _builtin().get_template(name)


def _settings() -> dict[str, Any]:
    from jinja2 import StrictUndefined

    return {
        "autoescape": lambda name: name is None or not name.endswith(".txt"),
        "undefined": StrictUndefined,
        "trim_blocks": True,
        "lstrip_blocks": True,
    }


def _prepared(environment: Environment) -> Environment:
    environment.filters["wrap"] = wrap
    environment.filters["columns"] = _columns
    environment.filters["pairs"] = _pairs
    environment.filters["href"] = href
    environment.filters["page_title"] = _page_title
    environment.tests["web_address"] = is_web_address
    return environment


def _pairs(rows: Iterable[tuple[str, str]], indent: str = "") -> str:
    return "\n".join(
        [
            wrap(f"{name}: {value}" if name else value, f"{indent}  ", indent)
            for name, value in rows
        ]
    )


def _page_title(title: str) -> str:
    # Validators count what is written, and warn above 70 characters.
    short = title[:70]
    while len(escape(short)) > 70:
        short = short[:-1]
    return short


def _columns(rows: Iterable[Iterable[str]], right: Iterable[int] = ()) -> str:
    cells = [[" ".join(str(cell).split()) for cell in row] for row in rows]
    return "\n".join(aligned(cells, right=frozenset(right)))


# --- the user's templates: a sandbox with a budget

_steps: ContextVar[list[int]] = ContextVar("zenmail_template_steps")


class _Runaway(Exception):
    """A template does what might never end."""


def _step(count: int = 1) -> None:
    budget = _steps.get(None)
    if budget is None:
        return
    budget[0] -= count
    if budget[0] < 0:
        raise _Runaway(f"It takes more than {_MOST_STEPS:,} steps.")


def _counted(items: Iterable[Any]) -> Iterator[Any]:
    for item in items:
        _step()
        yield item


def _short(value: Any) -> Any:
    if isinstance(value, str | list | tuple) and len(value) > _LONGEST:
        raise _Runaway(f"It makes a text of {len(value):,} characters.")
    return value


def _joined(context: EvalContext, items: Iterable[Any], separator: str = "") -> str:
    from jinja2.filters import sync_do_join

    joined: str = sync_do_join(context, _counted(items), separator[:100])
    return joined


def _replaced(text: str, old: str, new: str) -> str:
    return _short(text).replace(old, new[:100])  # type: ignore[no-any-return]


@lru_cache(maxsize=16)
def _sandbox(templates: str) -> Environment:
    from jinja2 import ChoiceLoader, PackageLoader, PrefixLoader, nodes, pass_eval_context
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    own = PackageLoader("zenmail.composing")
    users = users_loader(templates)

    class Sandbox(ImmutableSandboxedEnvironment):
        """Refuses what reaches out of the template, and what never ends."""

        intercepted_binops = frozenset({"*", "**", "%", "+"})

        def join_path(self, template: str, parent: str) -> str:
            # A template that extends its own name means zenmail's.
            return f"zenmail/{template}" if template == parent else template

        def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
            tree = super()._parse(source, name, filename)
            for loop in list(tree.find_all(nodes.For)):
                loop.iter = nodes.Filter(loop.iter, "_counted", [], [], None, None)
            for joined in list(tree.find_all(nodes.Concat)):
                joined.nodes = [
                    nodes.Filter(item, "_short", [], [], None, None) for item in joined.nodes
                ]
            return tree

        def call(self, *args: Any, **kwargs: Any) -> Any:
            _step()
            return _short(super().call(*args, **kwargs))

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            _step()
            if operator == "**":
                raise _Runaway("It raises to a power.")
            if operator == "*" and not (
                isinstance(left, int | float) and isinstance(right, int | float)
            ):
                raise _Runaway("It multiplies a text.")
            if operator == "%" and isinstance(left, str):
                raise _Runaway("It formats with %.")
            return _short(super().call_binop(context, operator, left, right))

        def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
            if isinstance(obj, str) and attr in _LENGTHENING:
                return False
            return super().is_safe_attribute(obj, attr, value)

    environment = _prepared(
        Sandbox(loader=ChoiceLoader([users, PrefixLoader({"zenmail": own})]), **_settings())
    )
    for name in (
        "center",
        "format",
        "indent",
        "batch",
        "slice",
        "wordwrap",
        "xmlattr",
        "pprint",
    ):
        environment.filters.pop(name)
    environment.globals.pop("lipsum")
    environment.filters["_counted"] = _counted
    environment.filters["_short"] = _short
    environment.filters["join"] = pass_eval_context(_joined)
    environment.filters["replace"] = _replaced
    environment.globals["range"] = lambda *args: range(*args)
    return environment


_LENGTHENING: Final = frozenset(
    {
        "center",
        "ljust",
        "rjust",
        "zfill",
        "expandtabs",
        "format",
        "format_map",
        "join",
        "replace",
        "translate",
    }
)


def users_loader(templates: str) -> BaseLoader:
    """Return what loads the user's templates, see `Page.with_templates`."""
    from jinja2 import FileSystemLoader, PackageLoader

    try:
        if Path(templates).is_dir():
            return FileSystemLoader(templates)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TemplateError(f"The templates cannot be read: {reason}") from error
    package, colon, folder = templates.partition(":")
    if colon and all(part.isidentifier() for part in package.split(".")):
        try:
            if importlib.util.find_spec(package) is not None:
                return PackageLoader(package, folder or "templates")
        except (ImportError, ValueError) as error:
            raise TemplateError(f"The templates {templates!r} do not load: {error}") from error
    raise TemplateError(
        f"There are no templates at {templates!r}.",
        remedy='Give a folder, or "package:folder" of an installed package.',
    )
