"""The public names, and the signatures that type checkers are shown."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import zenmail
import zenmail_zenml
from zenmail import Alert, Attachment, Email, Receipt, TransportOptions, errors, hookspecs
from zenmail.model import Model


def declared(package: str) -> dict[str, str]:
    """Return the module of each name, as the package's stub tells type checkers."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse(Path(f"{spec.origin}i").read_text("utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return {name.asname or "": f"{node.module}" for node in imports for name in node.names}


PACKAGES = {
    "zenmail": "zenmail.delivery.mailer",
    "zenmail.testing": "zenmail.testing.conformance",
    "zenmail_zenml": "zenmail_zenml.flavor",
}


@pytest.mark.parametrize("package", PACKAGES)
def test_all_is_sorted_and_complete(package: str) -> None:
    """Every public name is exported, once and in order, and type checkers see it."""
    exported = importlib.import_module(package).__all__
    assert exported == sorted(exported)
    assert len(exported) == len(set(exported))
    assert set(exported) == set(declared(package))


@pytest.mark.parametrize(("package", "late"), PACKAGES.items())
def test_names_are_imported_when_they_are_used(package: str, late: str) -> None:
    """Each name comes from the module that the imports for type checkers name."""
    if package == "zenmail_zenml":
        pytest.importorskip("zenml")
    program = f"""
import importlib, sys, {package} as package
assert {late!r} not in sys.modules
assert set(package.__all__) <= set(dir(package))
for name, module in {declared(package)!r}.items():
    home = importlib.import_module("{package}." + module)
    assert getattr(package, name) is getattr(home, name), name
    assert vars(package)[name] is getattr(home, name), name
names = {{}}
exec("from {package} import *", names)
assert set(package.__all__) <= set(names)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_type_checkers_see_each_function_that_is_no_import() -> None:
    """What ZenML's hook calls is the one name of a stub that is defined in its package."""
    stub = ast.parse(Path(f"{zenmail_zenml.__file__}i").read_text("utf-8"))
    (function,) = (node for node in stub.body if isinstance(node, ast.FunctionDef))
    assert function.name == zenmail_zenml.install_import_paths.__name__


def test_no_other_name_is_there() -> None:
    """A name that does not exist is missed as in any module."""
    with pytest.raises(AttributeError, match=r"module 'zenmail' has no attribute 'Pigeon'"):
        zenmail.Pigeon  # type: ignore[attr-defined]  # noqa: B018


def test_every_error_is_public() -> None:
    """Whoever wants to catch it can import it from zenmail."""
    assert set(errors.__all__) <= set(zenmail.__all__)


@pytest.mark.parametrize("name", sorted(zenmail.__all__))
def test_every_public_name_is_documented(name: str) -> None:
    """help() says what each class is for."""
    value = getattr(zenmail, name)
    if isinstance(value, type) and value.__module__.startswith("zenmail"):
        assert (value.__doc__ or "").strip()


@pytest.mark.parametrize("model", [Alert, Attachment, Email, Receipt])
def test_type_checkers_see_every_field(model: type[Model]) -> None:
    """The signature written for them has the fields, in their order."""
    (tree,) = ast.parse(inspect.getsource(model)).body
    (init,) = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == "__init__"
    )
    assert [argument.arg for argument in init.args.kwonlyargs] == list(model.model_fields)


def test_modules_name_what_they_export() -> None:
    """Each module of the core has an __all__, and each name in it exists."""
    for found in pkgutil.iter_modules(zenmail.__path__):
        if found.ispkg or found.name == "py.typed":
            continue
        module = __import__(f"zenmail.{found.name}", fromlist=["*"])
        if module is hookspecs:
            continue
        assert module.__all__, found.name
        for name in module.__all__:
            assert hasattr(module, name), (found.name, name)


def test_transports_can_be_declared_with_public_names_alone() -> None:
    """What a stranger needs is importable from zenmail."""
    assert {"hookimpl", "Receipt", "SendRequest", "TransportOptions"} <= set(zenmail.__all__)
    assert TransportOptions.model_config.get("extra") == "forbid"
