"""What a file of the project may import, imports for type checkers included."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.util import find_spec, resolve_name
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

Graph = dict[str, set[str]]
PACKAGES = ["zenmail", "zenmail_transports", "zenmail_zenml"]
# The demo copies it and runs it as a user's own.
A_SCRIPT = "demo_pipeline.py"


def modules(package: str) -> dict[str, Path]:
    """Return the files of a package by the names of their modules."""
    spec = find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    (root,) = map(Path, spec.submodule_search_locations)
    names = {path: path.relative_to(root.parent).with_suffix("") for path in root.rglob("*.py")}
    return {
        ".".join(name.parts).removesuffix(".__init__"): path for path, name in names.items()
    }


def imported(name: str, path: Path) -> Iterator[str]:
    """Yield every module that a file may import, wherever in it the statement stands."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def absolute(path: Path) -> Iterator[str]:
    """Yield every module that a file names in full."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or ""


def graph(package: str) -> Graph:
    """Return which file of a package imports which others."""
    files = modules(package)
    return {
        name: {found for found in imported(name, path) if found in files and found != name}
        for name, path in files.items()
    }


def circle(arrows: Graph) -> list[str]:
    """Return the modules of one circle, its first one again at the end, or nothing."""
    done: set[str] = set()

    def follow(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name not in done:
            for other in sorted(arrows[name]):
                if found := follow(other, [*path, name]):
                    return found
            done.add(name)
        return []

    for name in sorted(arrows):
        if found := follow(name, []):
            return found
    return []


@pytest.mark.parametrize("package", PACKAGES)
def test_nothing_imports_in_a_circle(package: str) -> None:
    """Whoever reads a file finds what it rests on in files that do not rest on it."""
    found = circle(graph(package))
    assert not found, " -> ".join(found)


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_are_relative_inside_a_package(package: str) -> None:
    """An absolute import is one that leads out of the package."""
    found = [
        f"{name} -> {target}"
        for name, path in modules(package).items()
        for target in absolute(path)
        if target.partition(".")[0] == package and path.name != A_SCRIPT
    ]
    assert found == []


def test_circles_are_found() -> None:
    """A circle is found behind what leads to it, and its path is told."""
    arrows: Graph = {"a": {"b"}, "b": {"c", "d"}, "c": set(), "d": {"e"}, "e": {"b"}}
    assert circle(arrows) == ["b", "d", "e", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
