"""What a model says of its fields, as people read it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Optional

import pytest
from pydantic import BaseModel, Field, SecretStr

from zenmail.cli.fields import describe_fields


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Base(BaseModel):
    """A base.

    Attributes:
        inherited: Said of the base.
    """

    inherited: int = 1


class Model(Base):
    """A model.

    Attributes:
        required: One line,
            and another.
        described: Not this.

    Raises:
        ValueError: No attribute.
    """

    required: str
    optional: Optional[float] = None  # noqa: UP045
    choice: Literal["a", "b"] = "a"
    colour: Colour = Colour.RED
    secret: SecretStr | None = None
    known_secret: SecretStr = SecretStr("hidden")
    folder: Path = Path("mails")
    names: tuple[str, ...] = ()
    some: list[int] = [1, 2]
    options: Mapping[str, Any] = Field(default_factory=dict)
    anything: Any = None
    switch: bool = True
    described: str = Field(default="x", description="This.")


@pytest.fixture(scope="module")
def fields() -> dict[str, tuple[str, str]]:
    """Type and default by name."""
    return {field.name: (field.type, field.default) for field in describe_fields(Model)}


@pytest.mark.parametrize(
    ("name", "type_name", "default"),
    [
        ("required", "text", ""),
        ("optional", "number", "none"),
        ("choice", "a | b", "a"),
        ("colour", "red | blue", "red"),
        ("secret", "secret", "none"),
        ("known_secret", "secret", "none"),
        ("folder", "path", "mails"),
        ("names", "list of text", "none"),
        ("some", "list of whole number", "1, 2"),
        ("options", "mapping", "none"),
        ("anything", "anything", "none"),
        ("switch", "true | false", "true"),
    ],
)
def test_type_and_default(
    fields: dict[str, tuple[str, str]], name: str, type_name: str, default: str
) -> None:
    """Types and defaults are words, and no default shows a secret."""
    assert fields[name] == (type_name, default)


def test_meaning_comes_from_the_docstring() -> None:
    """The Attributes section, a base's too, gives the meaning; a description goes before."""
    meanings = {field.name: field.meaning for field in describe_fields(Model)}
    assert meanings["inherited"] == "Said of the base."
    assert meanings["required"] == "One line, and another."
    assert meanings["described"] == "This."
    assert meanings["switch"] == ""


def test_required_and_secret_are_marked() -> None:
    """Whether a field has to be given, and whether it holds a secret, is told."""
    marked = {field.name: (field.required, field.secret) for field in describe_fields(Model)}
    assert marked["required"] == (True, False)
    assert marked["secret"] == (False, True)
    assert marked["names"] == (False, False)
