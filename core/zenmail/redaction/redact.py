"""Secrets taken out of the texts of an alert before they are rendered.

Three nets: the alerter's own secrets, in every form in which they turn up; values whose
name says that they are secret; and tokens known by their shape. Every search is linear in
the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .assignments import mentions_names, without_assignments
from .own_secrets import MASK, own_secrets
from .shapes import KEY_CLUE, SHAPES, clues_in, without_private_keys

__all__ = ["MASK", "Redactor"]


class Redactor:
    """Removes secrets from texts and counts them.

    Args:
        secrets: Values that must not appear in the mail; those shorter than four
            characters are ignored, because they would tear ordinary words apart.
        shapes: Whether to also look for what is secret by its name or its shape.

    Attributes:
        count: How many secrets have been removed so far.
        shapes: Whether names and shapes are looked for.
    """

    def __init__(self, secrets: Iterable[str] = (), *, shapes: bool = True) -> None:
        self._own = own_secrets(tuple(secrets))
        self.shapes = shapes
        self.count = 0

    def __repr__(self) -> str:
        return f"<Redactor: {self.count} removed>"

    def texts(self, texts: Sequence[str]) -> list[str]:
        """Return the texts without their secrets."""
        # Most hold nothing secret. One search of them all tells so, and costs far less
        # than one search of each.
        if self._may_change("\n".join(texts)):
            return [self.text(text) for text in texts]
        return list(texts)

    def text(self, text: str) -> str:
        """Return the text without its secrets."""
        if not text:
            return text
        text = self._count(self._own.without(text))
        if not self.shapes:
            return text
        if clues := clues_in(text):
            if KEY_CLUE in clues:
                text = self._count(without_private_keys(text))
            for shape in SHAPES:
                if not clues.isdisjoint(shape.clues):
                    text = self._count(shape.without(text))
        if mentions_names(text):
            text = self._count(without_assignments(text))
        return text

    def masked(self) -> str:
        """Count a value that is secret as a whole and return the mask in its place."""
        self.count += 1
        return MASK

    def _may_change(self, text: str) -> bool:
        if self._own.appear_in(text):
            return True
        return self.shapes and bool(clues_in(text) or mentions_names(text))

    def _count(self, found: tuple[str, int]) -> str:
        text, count = found
        self.count += count
        return text
