"""Secrets taken out of an alert before anybody renders it.

Three nets: the alerter's own secrets, in the forms in which they turn up; values whose
name says that they are secret; and tokens that are known by their shape. Every search is
linear in the text.
"""

from __future__ import annotations

from collections.abc import Iterable

from .assignments import WORDS, folded, places_of, without_assignments
from .own_secrets import MASK, own_secrets
from .shapes import KEY_CLUE, SHAPES, clues_in, without_private_keys

__all__ = ["MASK", "Redactor"]


class Redactor:
    """Takes secrets out of texts and counts them.

    Args:
        secrets: Values that must not stand in the mail; those shorter than four
            characters are left, for they would take ordinary words apart.
        shapes: Whether to look for what is secret by its name or its shape, too.

    Attributes:
        count: How many secrets were taken out so far.
        shapes: Whether names and shapes are looked for.
    """

    def __init__(self, secrets: Iterable[str] = (), *, shapes: bool = True) -> None:
        self._own = own_secrets(tuple(secrets))
        self._shapes = SHAPES if shapes else ()
        self._words: tuple[str, ...] = WORDS if shapes else ()
        self._key_blocks = shapes
        self.shapes = shapes
        self.count = 0

    def __repr__(self) -> str:
        return f"<Redactor: {self.count} taken out>"

    def narrow(self, whole: str) -> bool:
        """Look for no more than what this text may hold; be given parts of it only, then.

        Returns:
            Whether there is anything left to look for; never wrongly False.
        """
        self._own = self._own.narrowed(whole)
        if self.shapes:
            lowered = folded(whole)
            self._words = tuple([word for word in WORDS if lowered.rfind(word) >= 0])
            clues = clues_in(whole)
            self._key_blocks = KEY_CLUE in clues
            self._shapes = tuple(
                [shape for shape in SHAPES if not clues.isdisjoint(shape.clues)]
                if clues
                else ()
            )
        return bool(self._own.forms or self._words or self._shapes or self._key_blocks)

    def text(self, text: str) -> str:
        """Return the text without its secrets."""
        if not text:
            return text
        if self._own.forms:
            text = self._count(self._own.without(text))
        if self._key_blocks and KEY_CLUE in text:
            text = self._count(without_private_keys(text))
        if self._shapes and (clues := clues_in(text)):
            for shape in self._shapes:
                if not clues.isdisjoint(shape.clues):
                    text = self._count(shape.without(text))
        if self._words and (places := places_of(self._words, text)):
            text = self._count(without_assignments(text, places))
        return text

    def masked(self) -> str:
        """Count a value that is secret as a whole and return what stands in its place."""
        self.count += 1
        return MASK

    def _count(self, found: tuple[str, int]) -> str:
        text, count = found
        self.count += count
        return text
