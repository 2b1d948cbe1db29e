"""Where secrets stand in a text, and the text without them."""

from collections.abc import Iterable
from typing import Final, NamedTuple

__all__ = ["MASK", "Span", "without"]

MASK: Final = "[redacted]"


class Span(NamedTuple):
    """Where a secret stands, what a reader calls its kind, and what takes its place."""

    start: int
    end: int
    kind: str
    shown: str = MASK


def without(text: str, spans: Iterable[Span]) -> tuple[str, list[Span]]:
    """Return the text without the secrets, and what was taken out.

    Of spans that overlap, the outermost counts, or else the first.
    """
    outermost: list[Span] = []
    for span in sorted(spans, key=lambda it: (it.start, -it.end)):
        last = outermost[-1] if outermost else None
        if last is None or span.start >= last.end:
            outermost.append(span)
        elif span.end > last.end:
            outermost[-1] = Span(last.start, span.end, last.kind)
    pieces: list[str] = []
    done = 0
    for span in outermost:
        pieces += (text[done : span.start], span.shown)
        done = span.end
    pieces.append(text[done:])
    return "".join(pieces), outermost
