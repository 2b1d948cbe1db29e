"""Nested values without the parts that their names call secret."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from ..redaction.names import Secrecy, is_secret, presumed_secrecy
from ..redaction.redact import Redactor
from .values import is_number, plain_mapping

__all__ = ["Shield"]

_DEEPEST: Final = 6
_MOST: Final = 200


class Shield:
    """Masks values by the names they stand under.

    Args:
        redactor: Decides whether names count, and counts what is masked.
        pass_through: Exceptions that end the program and are never caught.
    """

    def __init__(
        self, redactor: Redactor, pass_through: tuple[type[BaseException], ...] = ()
    ) -> None:
        self._redactor = redactor
        self._pass_through = pass_through

    def secrecy_of(self, name: str) -> Secrecy:
        """Return whether a value of this name is secret; "" where names do not count."""
        return presumed_secrecy(name) if self._redactor.shapes else ""

    def mask(self, value: object, secrecy: Secrecy = "", depth: int = 0) -> object:
        """Return the value with everything masked in it that has a secret name."""
        kind = type(value)
        if hasattr(kind, "get_secret_value"):
            return self._redactor.masked()
        if isinstance(value, str):
            return self._redactor.masked() if is_secret(secrecy, value) else value
        try:
            if value is None or kind is bool:
                return value
            if is_number(value):
                chosen = secrecy == "any-text" and len(str(value)) > 3
                return self._redactor.masked() if chosen else value
            if depth > _DEEPEST:
                return "..."
            if isinstance(value, bytes | bytearray):
                shown = bytes(value).decode("utf-8", "backslashreplace")
                return self._redactor.masked() if is_secret(secrecy, shown) else value
            mapping = plain_mapping(value)
            if mapping is not None:
                told = self._named(mapping)
                return {
                    str(key): self.mask(
                        item,
                        (
                            told
                            if str(key).lower().endswith("value")
                            else self.secrecy_of(str(key))
                        )
                        or secrecy,
                        depth + 1,
                    )
                    for key, item in islice(mapping.items(), _MOST)
                }
            if isinstance(value, list | tuple | set | frozenset):
                masked: list[object] = []
                flag: Secrecy = ""
                for item in islice(value, _MOST):
                    masked.append(self.mask(item, secrecy or flag, depth + 1))
                    given = isinstance(item, str) and item.startswith("--") and "=" not in item
                    flag = self.secrecy_of(str(item)) if given else ""
                left = len(value) - _MOST
                return [*masked, f"{left:,} more"] if left > 0 else masked
            if secrecy and is_secret(secrecy, str(value)):
                return self._redactor.masked()
        except self._pass_through:
            raise
        except Exception as error:
            return f"<{kind.__name__} that cannot be shown: {type(error).__name__}>"
        return value

    def _named(self, mapping: Mapping[Any, Any]) -> Secrecy:
        """Return the secrecy of what a mapping such as {"name": ..., "value": ...} names."""
        for key, name in islice(mapping.items(), 8):
            if str(key).lower().endswith(("name", "key")) and (
                secrecy := self.secrecy_of(str(name))
            ):
                return secrecy
        return ""
