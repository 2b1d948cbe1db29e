"""Fields of a model in words."""

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
    """A base."""

    inherited: int = Field(default=1, description="Said of the base.")


class Model(Base):
    """A model.

    Attributes:
        switch: Not this.
    """

    required: str = Field(description="A name.")
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
    elsewhere: str | None = Field(default=None, description="A port. Default: 25, or 465.")
    named: str = Field(default="x", description="A name. Default: y.")


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
        ("elsewhere", "text", "25, or 465"),
        ("named", "text", "x"),
    ],
)
def test_type_and_default(
    fields: dict[str, tuple[str, str]], name: str, type_name: str, default: str
) -> None:
    """Types and defaults are words, and no default shows a secret."""
    assert fields[name] == (type_name, default)


def test_the_description_gives_the_meaning() -> None:
    """The description is the only source, a base's too; the default at its end is cut off."""
    meanings = {field.name: field.meaning for field in describe_fields(Model)}
    assert meanings["inherited"] == "Said of the base."
    assert meanings["required"] == "A name."
    assert meanings["elsewhere"] == "A port."
    assert meanings["switch"] == ""


def test_required_and_secret_are_marked() -> None:
    """Whether a field has to be given, and whether it holds a secret, is told."""
    marked = {field.name: (field.required, field.secret) for field in describe_fields(Model)}
    assert marked["required"] == (True, False)
    assert marked["secret"] == (False, True)
    assert marked["names"] == (False, False)
