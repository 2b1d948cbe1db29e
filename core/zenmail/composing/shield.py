"""Nested values without the parts that their names call secret."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from ..redaction.names import Secrecy, secrecy_of
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
        return secrecy_of(name) if self._redactor.shapes else ""

    def mask(self, value: object, secrecy: Secrecy = "", depth: int = 0) -> object:
        """Return the value with everything masked in it that has a secret name.

        Args:
            value: A value of any kind, however deeply nested.
            secrecy: Whether its own name is secret.
            depth: How deeply it is nested.
        """
        kind = type(value)
        if hasattr(kind, "get_secret_value"):
            return self._redactor.masked()
        if secrecy and (value is None or kind is bool):
            return value
        if secrecy == "always":
            return value if value == "" else self._redactor.masked()
        if kind is str:
            return self._redactor.masked() if secrecy and value else value
        try:
            if is_number(value):
                return value
            if depth > _DEEPEST:
                return "..."
            mapping = plain_mapping(value)
            if mapping is not None:
                return {
                    str(key): self.mask(
                        item, self._secrecy_in(mapping, key) or secrecy, depth + 1
                    )
                    for key, item in islice(mapping.items(), _MOST)
                }
            if isinstance(value, list | tuple | set | frozenset):
                masked = [self.mask(item, secrecy, depth + 1) for item in islice(value, _MOST)]
                left = len(value) - _MOST
                return [*masked, f"{left:,} more"] if left > 0 else masked
        except self._pass_through:
            raise
        except Exception as error:
            return f"<{kind.__name__} that cannot be shown: {type(error).__name__}>"
        return self._redactor.masked() if secrecy else value

    def _secrecy_in(self, mapping: Mapping[Any, Any], key: Any) -> Secrecy:
        if key == "value" and "name" in mapping:
            # As Kubernetes writes variables: {"name": "DB_PASSWORD", "value": ...}.
            return self.secrecy_of(str(mapping["name"]))
        return self.secrecy_of(str(key))
