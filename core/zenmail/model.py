"""The base of what travels: frozen values whose errors are ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Secret, SecretBytes, SecretStr, ValidationError
from pydantic_core import CoreSchema, core_schema

from .errors import ConfigurationError
from .runtime.forks import defer_forks

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "TEXT",
    "TEXTS",
    "LateModel",
    "Model",
    "ReadBy",
    "describe_validation",
    "name_options",
    "secret_values",
]

_Result = TypeVar("_Result")


TEXT = core_schema.str_schema()
TEXTS = core_schema.tuple_schema([TEXT], variadic_item_index=0)


class ReadBy:
    """In ``Annotated``: a function reads a field's values before pydantic checks them.

    As `pydantic.BeforeValidator`, for which pydantic reads the function's signature each time.

    Args:
        read: Returns what is checked.
        schema: What it is checked by, such as `TEXT`.
    """

    def __init__(self, read: Callable[[Any], Any], schema: CoreSchema) -> None:
        self._schema = core_schema.no_info_before_validator_function(read, schema)

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> CoreSchema:
        return self._schema


class LateModel(BaseModel):
    """A frozen model whose validator is built at first use: an import pays for none."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True
    )

    @classmethod
    def model_rebuild(cls, **options: Any) -> bool | None:
        """Build the validator, in a stretch that no fork falls into: pydantic locks."""
        # How far up the names of annotations are looked for, which is now one more.
        depth = options.pop("_parent_namespace_depth", 2)
        with defer_forks():
            return super().model_rebuild(_parent_namespace_depth=depth and depth + 1, **options)

    def __getstate__(self) -> dict[Any, Any]:
        # A pickle would show in clear what no repr shows, wherever it is kept.
        if any(secret_values(self)):
            raise TypeError(
                f"cannot pickle {type(self).__name__}: it holds secrets. Hand on what they are "
                "read from, such as the name of a secret or of an environment variable."
            )
        return super().__getstate__()


class Model(LateModel):
    """A frozen value that refuses what it does not know.

    Raises:
        ConfigurationError: An argument is unusable; the error says which and why, and
            holds none of the values.
    """

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    def __init__(self, **values: Any) -> None:
        _ours(type(self), lambda: super(Model, self).__init__(**values))

    # Without this, pydantic takes it for a constructor that changes the values, and hands
    # it those of a JSON text too: their base64 would be taken for text.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """Return the value that a mapping describes."""
        return _ours(cls, lambda: super(Model, cls).model_validate(obj, **options))

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **options: Any) -> Self:
        """Return the value that `model_dump_json` wrote down."""
        return _ours(cls, lambda: super(Model, cls).model_validate_json(json_data, **options))

    def model_copy(
        self, *, update: Mapping[str, Any] | None = None, deep: bool = False
    ) -> Self:
        """Return a copy; unlike pydantic's, the changes are validated."""
        copy = super().model_copy(deep=deep)
        return copy.replace(**update) if update else copy

    def replace(self, **changes: Any) -> Self:
        """Return a validated copy with some fields changed."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self)(**{**values, **changes})


def _ours(model: type[BaseModel], validate: Callable[[], _Result]) -> _Result:
    try:
        return validate()
    except ValidationError as error:
        findings = error.errors(include_url=False, include_input=False)
        causes = [finding.get("ctx", {}).get("error") for finding in findings]
        ours = [cause for cause in causes if isinstance(cause, ConfigurationError)]
        failure = (
            ours[0]
            if ours
            else ConfigurationError(
                describe_validation(error, known=model.model_fields, noun="argument")
            )
        )
    # Out here, so that pydantic's report does not hang on as the context.
    raise failure


def secret_values(value: object) -> Iterator[str]:
    """Yield the secrets in a value, however deep they are nested."""
    if isinstance(value, SecretStr | SecretBytes | Secret):
        secret = value.get_secret_value()
        yield secret.decode("utf-8", "replace") if isinstance(secret, bytes) else str(secret)
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from secret_values(getattr(value, name))
    elif isinstance(value, Mapping):
        yield from secret_values([*value.keys(), *value.values()])
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from secret_values(item)
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from secret_values(getattr(value, field.name))


def name_options(text: str, name_option: Callable[[str], str]) -> str:
    """Return a text with the options in backticks named as their user knows them.

    Args:
        text: A text such as "Set `ca_file` to the certificate of its authority."
        name_option: Returns what the user calls an option.
    """
    return re.sub(r"`(\w+)`", lambda option: name_option(option[1]), text)


def describe_validation(
    error: ValidationError,
    *,
    known: Mapping[str, Any],
    noun: str = "option",
    name_option: Callable[[str], str] = str,
    which: Callable[[Mapping[str, Any]], bool] = bool,
) -> str:
    """Return pydantic's findings as sentences that hold no input value.

    Args:
        error: What pydantic found.
        known: The names that would have been right.
        noun: What a name stands for.
        name_option: Returns what the user calls one of them.
        which: Whether to tell a finding.
    """
    sentences = []
    findings = error.errors(include_url=False, include_context=False, include_input=False)
    for finding in filter(which, findings):
        first, *rest = (*map(str, finding["loc"]), "")
        first = name_option(first) if first in known else first
        name = ".".join([first, *rest]).rstrip(".")
        if finding["type"] == "extra_forbidden":
            nested = len(finding["loc"]) > 1
            names = "" if nested else f"; there are: {', '.join(sorted(known))}"
            sentences.append(f"{name!r} is not an {noun}{names}.")
        elif finding["type"] == "missing":
            sentences.append(f"{name!r} is required.")
        else:
            reason = finding["msg"].removeprefix("Value error, ").removesuffix(".")
            if finding["type"] == "dict_type":
                reason = "give a dict, with a name or title for each value"
            reason = name_options(reason, name_option)
            sentences.append(f"{name}: {reason}." if name else f"{reason}.")
    return " ".join(sentences)
