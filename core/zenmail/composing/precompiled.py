"""zenmail's own templates as Python, which renders without Jinja2.

The build writes them into `_templates.py`. Where that is missing or of other templates, as in
a checkout that was changed, they are compiled when they are first used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from ..patterns import pattern

__all__ = ["as_module", "renderer"]

Renderer = Callable[[Any], Iterator[str]]
_NAMES: Final = ("alert.html", "alert.txt")
# Jinja renders each block through a chain of generators. Our own templates, when nothing
# extends them, do without.
_BLOCK_TAG: Final = pattern(r"\{% (?:block \w+|endblock) %\}\n?")


@cache
def renderer(name: str) -> Renderer:
    """Return the function that renders one of the templates, piece by piece."""
    module: dict[str, Any]
    try:
        module = vars(import_module("._templates", __package__))
    except ImportError:
        module = {}
    if module.get("DIGEST") != _digest():
        module = {"__package__": __package__}
        exec(as_module(), module)  # noqa: S102 - our own templates
    found: Renderer = module[_function(name)]
    return found


def as_module() -> str:
    """Return the source of a module that renders all templates."""
    from jinja2 import Environment, nodes
    from jinja2.compiler import CodeGenerator, Frame

    from .filters import jinja_settings, prepared

    class Generator(CodeGenerator):
        # All variables exist, and what has attributes has them as Python does.
        def visit_Name(self, node: nodes.Name, frame: Frame) -> None:  # noqa: N802
            if node.ctx == "load":
                self.write(frame.symbols.ref(node.name))
            else:
                super().visit_Name(node, frame)

        def visit_Getattr(self, node: nodes.Getattr, frame: Frame) -> None:  # noqa: N802
            self.visit(node.node, frame)
            self.write(f".{node.attr}")

    environment = prepared(Environment(**jinja_settings()))  # noqa: S701
    environment.code_generator_class = Generator
    parts = [
        "# Written by precompiled.py.\n# type: ignore\n"
        "from .filters import LoopContext, Undefined, environment, escape\n"
        "from .filters import missing, str_join",
        f"DIGEST = {_digest()!r}",
    ]
    for name in _NAMES:
        source = _BLOCK_TAG.sub("", _read(f"templates/{name}").decode())
        code = environment.compile(source, name, raw=True)
        body = code[code.index("def root(") : code.index("\nblocks = ")]
        parts.append(body.replace("root", _function(name), 1))
    return "\n\n".join(parts) + "\n"


def _function(name: str) -> str:
    return name.replace(".", "_")


def _digest() -> str:
    """Return a digest of all that decides what the module looks like."""
    files = ("precompiled.py", *(f"templates/{name}" for name in _NAMES))
    return blake2b(b"\0".join(map(_read, files)), digest_size=16).hexdigest()


def _read(name: str) -> bytes:
    # The loader, for a package may lie in an archive.
    content: bytes = __loader__.get_data(str(Path(__file__).parent / name))  # type: ignore[name-defined]
    return content
