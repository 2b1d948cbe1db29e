"""What differs between the code of a failed run and that of the last good one."""

from __future__ import annotations

import ast
from itertools import zip_longest
from textwrap import dedent
from typing import Any

from zenmail.clean import clean_line

from .origin import changed_files

__all__ = ["compare_code", "compare_commits"]

_PROSE = (".md", ".rst")
_MAX_FILES = 3


def compare_commits(old: str, new: str) -> tuple[str, str]:
    """Return both commits, the later with the files that differ; "" if only prose does."""
    files = changed_files(old, new)
    if files and all(file.endswith(_PROSE) for file in files):
        return "", ""
    more = f" and {len(files) - _MAX_FILES} more" if len(files) > _MAX_FILES else ""
    return old, f"{new}: {', '.join(files[:_MAX_FILES])}{more}" if files else new


def compare_code(old: str, new: str) -> tuple[str, str]:
    """Return the first line of a function's body that differs, in both; "" if none matters."""
    (was, before), (now, after) = map(_body, (old, new))
    pairs = zip_longest(before, after, fillvalue="") if was != now else ()
    different = next((pair for pair in pairs if pair[0] != pair[1]), ("", ""))
    return clean_line(different[0], limit=120), clean_line(different[1], limit=120)


def _body(source: str) -> tuple[str, list[str]]:
    """Return what a function's body does, and its lines, both without comments and docstring.

    What is written in the head reaches the step as a parameter or a setting.
    """
    source = dedent(source)
    lines = source.splitlines()
    try:
        function: Any = ast.parse(source).body[0]
        statements = function.body[ast.get_docstring(function) is not None :]
        source = "\n".join(map(ast.dump, statements))
        lines = lines[statements[0].lineno - 1 :] if statements else []
    except (SyntaxError, IndexError, TypeError, AttributeError):
        pass  # this Python's grammar does not have it
    return source, [it for line in lines if (it := line.strip()) and not it.startswith("#")]
