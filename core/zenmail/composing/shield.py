"""Nested values without the parts that their names call secret."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import Enum
from itertools import islice
from typing import Any, Final

from ..redaction.names import Secrecy, is_secret, presumed_secrecy
from ..redaction.redact import Redactor
from .values import attempt, number_in, plain_mapping

__all__ = ["Shield"]

_DEEPEST: Final = 6
_MOST: Final = 200


class Shield:
    """Masks values by the names they stand under, if the redactor's ``shapes`` count."""

    def __init__(
        self, redactor: Redactor, pass_through: tuple[type[BaseException], ...]
    ) -> None:
        self.redactor = redactor
        self.pass_through = pass_through

    def secrecy_of(self, name: str) -> Secrecy:
        """Return whether a value of this name is secret; "" where names do not count."""
        return presumed_secrecy(name) if self.redactor.shapes else ""

    def mask(self, value: object, secrecy: Secrecy = "", depth: int = 0) -> object:
        """Return the value with everything masked in it that has a secret name."""
        return attempt(lambda: self._masked(value, secrecy, depth), value, self.pass_through)

    def _masked(self, value: object, secrecy: Secrecy, depth: int) -> object:
        kind = type(value)
        if hasattr(kind, "get_secret_value"):
            return self.redactor.masked()
        if value is None or kind is bool:
            return value
        if isinstance(value, Enum):
            return self._masked(value.value, secrecy, depth)
        if not isinstance(value, str):
            if number_in(value) is not None:
                chosen = secrecy == "any-text" and len(str(value)) > 3
                return self.redactor.masked() if chosen else value
            if depth > _DEEPEST:
                return "..."
            if (mapping := plain_mapping(value)) is not None:
                return self._masked_mapping(mapping, secrecy, depth)
            if isinstance(value, list | tuple | set | frozenset):
                return self._masked_items(value, secrecy, depth)
        if isinstance(value, bytes | bytearray):
            shown = bytes(value).decode("utf-8", "backslashreplace")
        else:
            shown = str(value) if secrecy else ""
        return self.redactor.masked() if is_secret(secrecy, shown) else value

    def _masked_mapping(
        self, mapping: Mapping[Any, Any], secrecy: Secrecy, depth: int
    ) -> dict[str, object]:
        named: Secrecy = ""  # by a mapping such as {"name": ..., "value": ...}
        for key, name in islice(mapping.items(), 8):
            if str(key).lower().endswith(("name", "key")):
                named = named or self.secrecy_of(str(name))
        masked = {}
        for key, item in islice(mapping.items(), _MOST):
            name = str(key)
            own = named if name.lower().endswith("value") else self.secrecy_of(name)
            masked[name] = self.mask(item, own or secrecy, depth + 1)
        return masked

    def _masked_items(
        self, items: Collection[Any], secrecy: Secrecy, depth: int
    ) -> list[object]:
        masked: list[object] = []
        flag: Secrecy = ""
        for item in islice(items, _MOST):
            masked.append(self.mask(item, secrecy or flag, depth + 1))
            given = isinstance(item, str) and item.startswith("--") and "=" not in item
            flag = self.secrecy_of(item) if given else ""
        left = len(items) - _MOST
        return [*masked, f"{left:,} more"] if left > 0 else masked
