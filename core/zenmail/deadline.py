"""The moment by which a delivery has to end."""

import time
from typing import NamedTuple

from .errors import DeadlineExceeded

__all__ = ["Deadline"]


class Deadline(NamedTuple):
    """A moment on the monotonic clock, so that clock changes do not move it.

    Attributes:
        expires_at: The moment, in seconds of ``time.monotonic()``.
    """

    expires_at: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """Return the deadline that is ``seconds`` away."""
        return cls(time.monotonic() + seconds)

    @property
    def expired(self) -> bool:
        """Whether the moment has passed."""
        return time.monotonic() >= self.expires_at

    def remaining(self) -> float:
        """Return the seconds left, never less than 0."""
        return max(0.0, self.expires_at - time.monotonic())

    def timeout(self, what: str) -> float:
        """Return the seconds left as a time-out for one blocking call.

        Args:
            what: The phase that is about to block, for the error's text.

        Raises:
            DeadlineExceeded: No time is left.
        """
        left = self.expires_at - time.monotonic()
        if left <= 0:
            raise DeadlineExceeded(f"The deadline passed {what}.")
        return left

    def at_most(self, seconds: float) -> "Deadline":
        """Return the earlier of this deadline and the one that is ``seconds`` away."""
        return Deadline(min(self.expires_at, time.monotonic() + seconds))

    def share(self, parts: int) -> "Deadline":
        """Return an earlier deadline that leaves ``parts - 1`` equal shares of the rest."""
        return self if parts <= 1 else self.part(1 / parts)

    def part(self, fraction: float) -> "Deadline":
        """Return an earlier deadline: this fraction of the seconds left from now."""
        return Deadline(time.monotonic() + self.remaining() * fraction)
