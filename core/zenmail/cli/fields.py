"""Fields of a pydantic model in words: type, default and meaning."""

from __future__ import annotations

import inspect
import types
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

__all__ = ["FieldDoc", "describe_fields"]


@dataclass(frozen=True)
class FieldDoc:
    """One field of a model.

    Attributes:
        name: Its name.
        type: Its type, in words.
        default: Its default, as users type it, or in words; "" when it is required.
        required: Whether it must be given.
        secret: Whether it holds a secret.
        meaning: Its description, without the default.
    """

    name: str
    type: str
    default: str
    required: bool
    secret: bool
    meaning: str


def describe_fields(model: type[BaseModel]) -> list[FieldDoc]:
    """Return the fields of a model, in the order of the source.

    The description of a field whose default is worked out elsewhere ends in it, as in "Name
    of this machine in EHLO. Default: its IP address."
    """
    found = []
    for name, field in model.model_fields.items():
        meaning, _, stated = (field.description or "").partition(" Default: ")
        default = "" if field.is_required() else _default(field)
        found.append(
            FieldDoc(
                name=name,
                type=_type_name(field.annotation),
                default=stated.rstrip(".") or default if default == "none" else default,
                required=field.is_required(),
                secret=_is_secret(field.annotation),
                meaning=meaning,
            )
        )
    return found


def _type_name(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is Any:
        return "anything"
    if annotation is None or annotation is type(None):
        return "nothing"
    if origin is Literal:
        return " | ".join(str(argument) for argument in arguments)
    if origin in (Union, types.UnionType):
        names = [_type_name(item) for item in arguments if item is not type(None)]
        return " | ".join(dict.fromkeys(names))
    if origin is not None and hasattr(origin, "__metadata__"):
        return _type_name(arguments[0])
    if inspect.isclass(origin):
        if issubclass(origin, Mapping):
            return "mapping"
        if issubclass(origin, list | tuple | set | frozenset):
            inner = [_type_name(item) for item in arguments if item is not ...]
            return f"list of {' | '.join(dict.fromkeys(inner))}" if inner else "list"
    if inspect.isclass(annotation):
        if issubclass(annotation, SecretStr):
            return "secret"
        if issubclass(annotation, Path):
            return "path"
        if issubclass(annotation, Enum):
            return " | ".join(str(item.value) for item in annotation)
        known = {str: "text", int: "whole number", float: "number", bool: "true | false"}
        return known.get(annotation, annotation.__name__)
    return str(annotation)


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is None or value in ("", (), [], {}, frozenset()):
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, SecretStr):
        return "none"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(_is_secret(item) for item in get_args(annotation))
