"""Secrets taken out of the texts of an alert before they are rendered.

Four nets: known secrets, in every form in which they turn up; logins in commands and
addresses; tokens of known formats; and values that look secret under a name that says
so. Every search is linear in the text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from .assignments import without_assignments, words_in
from .formats import holds_tokens, without_tokens
from .own_secrets import MASK, own_secrets
from .shapes import KEY_CLUE, SHAPES, any_of, clues_in, without_private_keys

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
        place: What is being redacted, as a reader calls it.
    """

    def __init__(self, secrets: Iterable[str] = (), *, shapes: bool = True) -> None:
        self._own = own_secrets(tuple(secrets))
        self.shapes = shapes
        self.count = 0
        self.place = ""
        self._kinds: Counter[str] = Counter()
        self._places: dict[str, None] = {}

    def __repr__(self) -> str:
        return f"<Redactor: {self.count} removed>"

    def texts(self, texts: list[str]) -> list[str]:
        """Return the texts without their secrets."""
        if len(texts) == 1:
            return [self.text(texts[0])]
        # Most hold nothing secret: one search of them all costs far less than one of each.
        whole = "\n".join(texts)
        found = self._own.forms_in(whole)
        words: list[str] = []
        if self.shapes:
            found += clues_in(whole)
            words = words_in(whole)
        tokens = self.shapes and holds_tokens(whole)
        if not (found or words or tokens):
            return texts
        return [
            self._text(text, tokens=tokens)
            if tokens or any_of(found, text) or (words and words_in(text, words))
            else text
            for text in texts
        ]

    def text(self, text: str) -> str:
        """Return the text without its secrets."""
        return self._text(text, tokens=self.shapes and holds_tokens(text)) if text else text

    def _text(self, text: str, *, tokens: bool) -> str:
        text = self._count(self._own.without(text), "known value")
        if not self.shapes:
            return text
        if clues := clues_in(text):
            if KEY_CLUE in clues:
                text = self._count(without_private_keys(text), "private key")
            for shape in SHAPES:
                if not clues.isdisjoint(shape.clues):
                    text = self._count(shape.without(text), "login")
        if tokens:
            text = self._count(without_tokens(text), "token")
        return self._count(without_assignments(text), "named value")

    def masked(self) -> str:
        """Count a value that is secret as a whole and return the mask in its place."""
        return self._count((MASK, 1), "named value")

    def summary(self) -> str:
        """Return of which kinds the secrets were and where, for a reader."""
        kinds = [
            f"{number} {kind}{'s' if number > 1 else ''}"
            for kind, number in sorted(self._kinds.items())
        ]
        places = f" (in {', '.join(self._places)})" if self._places else ""
        return ", ".join(kinds) + places

    def _count(self, found: tuple[str, int], kind: str) -> str:
        text, count = found
        if count:
            self.count += count
            self._kinds[kind] += count
            if self.place:
                self._places[self.place] = None
        return text
