"""Fields of a pydantic model in words: type, default and meaning."""

from __future__ import annotations

import inspect
import types
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

__all__ = ["FieldDoc", "describe_fields"]


@dataclass(frozen=True)
class FieldDoc:
    """One field of a model, in words; its default is as users type it."""

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


_TYPES: dict[Any, str] = {
    Any: "anything", type(None): "nothing", str: "text", int: "whole number", float: "number",
    bool: "true | false", SecretStr: "secret", Path: "path",
}  # fmt: skip


def _type_name(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " | ".join(map(str, arguments))
    if origin in (Union, types.UnionType):
        names = [_type_name(item) for item in arguments if item is not type(None)]
        return " | ".join(dict.fromkeys(names))
    if origin is Annotated:
        return _type_name(arguments[0])
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return "mapping"
    if inspect.isclass(origin) and issubclass(origin, list | tuple | set | frozenset):
        inner = [_type_name(item) for item in arguments if item is not ...]
        return f"list of {' | '.join(dict.fromkeys(inner))}" if inner else "list"
    if inspect.isclass(annotation) and issubclass(annotation, Enum):
        return " | ".join(str(item.value) for item in annotation)
    return _TYPES.get(annotation) or str(getattr(annotation, "__name__", annotation))


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if isinstance(value, SecretStr) or value in (None, "", (), [], {}, frozenset()):
        return "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return str(value.value if isinstance(value, Enum) else value)


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(_is_secret(item) for item in get_args(annotation))
