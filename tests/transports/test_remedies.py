"""What transports advise names each option in backticks, for users know it by another name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import zenmail_transports
from zenmail import PluginHost

pytestmark = pytest.mark.once

TRANSPORTS = ("console", "file", "graph", "ses", "smtp")


def texts(path: Path) -> Iterator[str]:
    """Yield the texts of a file that users read when something fails."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    silent: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):  # a docstring
            silent.add(node.value)
        elif isinstance(node, ast.keyword) and node.arg == "description":
            silent.update(ast.walk(node.value))
        elif isinstance(node, ast.JoinedStr):
            silent.update(node.values)
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "x"
                for part in node.values
            )
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node not in silent and " " in str(node.value):
            yield str(node.value)


def test_options_are_named_so_that_they_can_be_translated() -> None:
    """No advice tells the reader to set or check an option without its backticks."""
    host = PluginHost()
    options = {
        name for one in TRANSPORTS for name in host.transport(one).options_type.model_fields
    }
    long = "|".join(name for name in options if "_" in name)
    short = "|".join(options)
    bare = re.compile(
        rf"(?<![`\w])(?<!the option )(?:{long})(?![`\w:])"
        rf"|\b(?:[Ss]et|[Cc]heck|[Cc]orrect|[Rr]aise|[Ll]ower|[Gg]ive) (?:{short})\b"
    )
    folder = Path(zenmail_transports.__file__).parent
    found = [
        f"{path.relative_to(folder)}: {text}"
        for path in sorted(folder.rglob("*.py"))
        for text in texts(path)
        if bare.search(text)
    ]
    assert not found, "\n".join(found)
