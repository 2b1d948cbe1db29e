"""Secrets taken out of the texts of an alert before they are rendered.

Four nets: known secrets, in every form in which they turn up; tokens of known formats; what
logs in, in commands and addresses; and values that look secret under a name that says so. Each
is linear in the text and only tells where secrets stand; all are then taken out in one go.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from traceback import format_exception

from .assignments import named_spans
from .clues import NAME_CLUES, folded, foreign_clues_in
from .logins import LOGIN_CLUES, login_spans, programs_in
from .own_secrets import own_secrets, process_secrets
from .spans import MASK, Span, without
from .tokens import holds_tokens, token_spans

__all__ = ["MASK", "Redactor", "described", "redacted"]

_CLUES = tuple(dict.fromkeys((*NAME_CLUES, *LOGIN_CLUES)))


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
        self._kinds: dict[str, int] = {}
        self._places: dict[str, None] = {}

    def __repr__(self) -> str:
        return f"<Redactor: {self.count} removed>"

    def texts(self, texts: list[str]) -> list[str]:
        """Return the texts without their secrets."""
        if len(texts) == 1:
            return [self.text(texts[0])]
        # Most hold nothing secret: one search of them all costs far less than one of each.
        whole = "\n".join(texts)
        clues, tokens = self._clues(whole)
        own = self._own.forms_in(whole)
        if tokens:
            return [self.text(text) for text in texts]
        ends = list(accumulate([len(text) + 1 for text in texts]))
        its: dict[int, list[str]] = {}
        for marks, searched in ((clues, folded(whole)), (own, whole)):
            for mark in marks:
                at = searched.find(mark)
                while at >= 0:
                    index = bisect_right(ends, at)
                    its.setdefault(index, []).append(mark)
                    at = searched.find(mark, ends[index])
        safe = list(texts)
        for index, clues in its.items():
            safe[index] = self._text(texts[index], clues, tokens=False)
        return safe

    def text(self, text: str) -> str:
        """Return the text without its secrets."""
        return self._text(text, *self._clues(text)) if text else text

    def _clues(self, text: str) -> tuple[list[str], bool]:
        """Return what may announce a secret in a text, and whether tokens are in it."""
        if not self.shapes:
            return [], False
        lowered = folded(text)
        # CPython searches for something short backwards in less than half the time.
        clues = [clue for clue in _CLUES if lowered.rfind(clue) >= 0]
        clues += foreign_clues_in(lowered) + programs_in(lowered, clues)
        return clues, holds_tokens(text)

    def _text(self, text: str, clues: list[str], tokens: bool) -> str:
        spans: list[Span] = [*self._own.spans(text)]
        if tokens:
            spans += token_spans(text)
        if clues:
            spans += login_spans(text, clues)
            spans += named_spans(text, clues)
        if not spans:
            return text
        text, taken = without(text, spans)
        for span in taken:
            self._count(span.kind)
        return text

    def masked(self) -> str:
        """Count a value that is secret as a whole and return the mask in its place."""
        self._count("credential")
        return MASK

    def summary(self) -> str:
        """Return of which kinds the secrets were and where, for a reader."""
        kinds = [
            f"{number} {kind}{'s' if number > 1 else ''}"
            for kind, number in sorted(self._kinds.items())
        ]
        places = f" (in {', '.join(self._places)})" if self._places else ""
        return ", ".join(kinds) + places

    def _count(self, kind: str) -> None:
        self.count += 1
        self._kinds[kind] = self._kinds.get(kind, 0) + 1
        if self.place:
            self._places[self.place] = None


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a text without secrets, those that this process knows included."""
    return Redactor((*secrets, *process_secrets())).text(text)


def described(error: BaseException, *, frames: bool = False) -> str:
    """Return an exception's type and message, or its traceback, without secrets, for a log."""
    if frames:
        return redacted("".join(format_exception(error)))
    return redacted(f"{type(error).__name__}: {error}")
