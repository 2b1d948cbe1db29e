"""Content rendered as HTML and text by Jinja2, with zenmail's templates or the user's."""

import importlib.util
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from markupsafe import Markup

from ..errors import TemplateError
from ..patterns import pattern
from ..runtime.forks import defer_forks
from ..runtime.timeouts import CallTimedOut, call_with_timeout
from .content import Content
from .filters import Variables, jinja_settings, prepared
from .precompiled import renderer

if TYPE_CHECKING:
    from jinja2 import BaseLoader, Environment

__all__ = ["TEMPLATE_SECONDS", "Page", "users_loader"]

TEMPLATE_SECONDS: Final = 2.0
"""How long a template of the user's may take to render a part."""
_LONGEST: Final = 500_000


class Page:
    """The content of a mail, ready to be rendered by any template."""

    def __init__(self, content: Content) -> None:
        self._variables: dict[str, Any] = {
            **content._asdict(),
            "message_html": Markup(content.message_html),  # noqa: S704 - escaped
            "more_html": Markup(content.more_html),  # noqa: S704 - escaped
            "lang_and_dir": Markup(f'lang="{content.lang}" dir="{content.dir}"'),  # noqa: S704
            "padding": _PADDING,
            "tone": _TONES[content.severity],
        }

    def html(self) -> str:
        """Return the HTML part."""
        return self._own("alert.html")

    def text(self) -> str:
        """Return the text part."""
        return _tidy(self._own("alert.txt"))

    def _own(self, name: str) -> str:
        return "".join(renderer(name)(Variables(self._variables)))

    def with_templates(self, templates: str | Path, name: str) -> str | None:
        """Return a part rendered with one of the user's templates.

        Args:
            templates: A folder, or "package:folder".
            name: "alert.html" or "alert.txt".

        Returns:
            The part, or None when the folder has no such template.

        Raises:
            TemplateError: The folder does not exist, or the template does not render, takes
                longer than `TEMPLATE_SECONDS` or writes too much.
        """
        environment = _sandbox(str(templates))
        run = _Stoppable(lambda: _rendered(environment, name, self._variables))
        try:
            text = call_with_timeout(run, TEMPLATE_SECONDS)
        except CallTimedOut:
            run.stop()
            raise TemplateError(
                f"{name}: It takes longer than {TEMPLATE_SECONDS:g} seconds."
            ) from None
        return text if text is None or name.endswith(".html") else _tidy(text)


class _OutOfTime(Exception):
    """Ends a template that was given up on."""


class _Stoppable:
    """A call that can be stopped from another thread while it runs Python code."""

    def __init__(self, call: Callable[[], str | None]) -> None:
        self._call = call
        self._lock = threading.Lock()
        self._thread = 0

    def __call__(self) -> str | None:
        self._thread = threading.get_ident()
        try:
            return self._call()
        finally:
            with self._lock:
                self._thread = 0

    def stop(self) -> None:
        import ctypes

        # Left alone, an endless loop would take a processor for as long as the process lives.
        with self._lock:
            if self._thread:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(self._thread), ctypes.py_object(_OutOfTime)
                )


@defer_forks()  # this thread is another one than compose's
def _rendered(environment: "Environment", name: str, variables: dict[str, Any]) -> str | None:
    from jinja2 import TemplateNotFound

    pieces, length = [], 0
    try:
        template = environment.get_template(name)
        for piece in template.root_render_func(template.new_context(variables)):
            pieces.append(piece)
            length += len(piece)
            if length > _LONGEST:
                raise OverflowError(f"Its output is longer than {_LONGEST:,} characters.")
    except TemplateNotFound as error:
        if error.name == name:
            return None
        raise TemplateError(f"{name} names {error.name!r}, which does not exist.") from error
    except Exception as error:
        line = getattr(error, "lineno", None)
        where = f" (line {line})" if line else ""
        raise TemplateError(f"{name}: {type(error).__name__}: {error}{where}") from error
    return "".join(pieces)


# Mail programs fill their preview with what follows, so that nothing is to follow.
_PADDING: Final = Markup(("\n" + " &#847;" * 10) * 10)  # noqa: S704 - a constant


class _Tone(NamedTuple):
    strong: str
    soft: str
    light: str
    deep: str
    sign: Markup


_RED: Final = _Tone("#8b1111", "#fdecec", "#ffbdb8", "#452022", Markup("&#10005;"))
_GREEN: Final = _Tone("#14532d", "#e6f4ea", "#a5e3b8", "#1a3424", Markup("&#10003;"))
_TONES: Final = {
    "info": _Tone("#0b4a8f", "#e8f1fb", "#a8cdfa", "#1c2f45", Markup("i")),
    "success": _GREEN,
    "warning": _Tone("#6b3a00", "#fdf1dc", "#f7d491", "#3b2d10", Markup("!")),
    "error": _RED,
    "critical": _RED,
}


def _tidy(text: str) -> str:
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text.strip("\n") + "\n"


# --- the user's templates, in a sandbox


@lru_cache(maxsize=16)
def _sandbox(templates: str) -> "Environment":
    from jinja2 import ChoiceLoader, PackageLoader, PrefixLoader
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    own = PackageLoader("zenmail.composing")
    users = users_loader(templates)

    class Sandbox(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset({"*", "**", "%"})

        def join_path(self, template: str, parent: str) -> str:
            # A template that extends its own name means zenmail's.
            return f"zenmail/{template}" if template == parent else template

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            if operator == "%":
                _require_narrow(left)
            elif operator == "**":
                _require_small(right)
            else:
                for sequence, times in ((left, right), (right, left)):
                    if isinstance(sequence, Sequence) and isinstance(times, int):
                        _require_small(len(sequence) * times)
            return super().call_binop(context, operator, left, right)

        def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
            if isinstance(obj, str) and attr in _PADDING_METHODS:
                return False
            return super().is_safe_attribute(obj, attr, value)

    loader = ChoiceLoader([users, PrefixLoader({"zenmail": own})])
    environment = prepared(Sandbox(loader=loader, **jinja_settings()))
    for name in ("batch", "center", "format", "indent", "slice"):
        environment.filters[name] = _bounded(environment.filters[name])
    return environment


# No time limit stops a single call that fills the memory, so that it is refused beforehand.
_PADDING_METHODS: Final = frozenset(
    {"center", "expandtabs", "format", "format_map", "ljust", "replace", "rjust", "zfill"}
)
_WIDE_FORMAT: Final = pattern(r"%[^A-Za-z]*(?:\d{5}|\*)")


def _bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def bounded(value: Any, *args: Any, **kwargs: Any) -> Any:
        if function.__name__ == "do_format":
            _require_narrow(value)
        else:
            for argument in (*args, *kwargs.values()):
                _require_small(argument)
        return function(value, *args, **kwargs)

    return bounded


def _require_small(number: Any) -> None:
    if isinstance(number, int) and abs(number) > _LONGEST:
        raise OverflowError(f"It uses the number {number:,}, which is too large.")


def _require_narrow(text: Any) -> None:
    if isinstance(text, str) and _WIDE_FORMAT.search(text):
        raise OverflowError("It formats a value with too large a width.")


def users_loader(templates: str) -> "BaseLoader":
    """Return the loader of the user's templates; see `Page.with_templates`."""
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
