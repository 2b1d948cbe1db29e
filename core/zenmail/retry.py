"""How hard a mail is tried."""

from dataclasses import dataclass
from typing import Literal

from .errors import ConfigurationError

__all__ = ["DeliveryPolicy", "Retry"]

DeliveryPolicy = Literal["at_most_once", "at_least_once"]


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a mail is tried, and whether again when the answer was lost.

    Attributes:
        policy: What to do when the connection was lost after the mail was sent and before
            the answer: ``at_most_once`` reports it as unknown, ``at_least_once`` sends the
            mail again.
        max_attempts: How many times to go through the transports at most.

    Raises:
        ConfigurationError: A value is unusable.
    """

    policy: DeliveryPolicy = "at_most_once"
    max_attempts: int = 10

    def __post_init__(self) -> None:
        if self.policy not in ("at_most_once", "at_least_once"):
            raise ConfigurationError(
                f"Unknown delivery policy {self.policy!r}.",
                remedy="Choose at_most_once or at_least_once.",
            )
        given: object = self.max_attempts
        if not isinstance(given, int) or given < 1:
            raise ConfigurationError("max_attempts must be a positive integer.")
