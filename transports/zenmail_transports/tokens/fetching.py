"""What the token sources share: calls that end by the deadline, and what fails."""

from __future__ import annotations

from typing import Any

from zenmail import (
    Deadline,
    DeliveryError,
    MissingExtra,
    PermanentFailure,
    TemporaryFailure,
)

__all__ = ["library_missing", "no_token", "session_until"]


def session_until(deadline: Deadline) -> Any:
    """Return a ``requests.Session`` whose calls get what is left of the time.

    Args:
        deadline: The moment by which the token has to be there. A call then raises
            `DeadlineExceeded` before it starts.
    """
    from requests import Session

    class SessionUntil(Session):
        def request(self, *arguments: Any, **options: Any) -> Any:
            options["timeout"] = deadline.timeout("before the token was fetched")
            return super().request(*arguments, **options)

    return SessionUntil()


def library_missing(library: str, source: str) -> MissingExtra:
    """Return the error for a library that is not installed."""
    return MissingExtra(
        f"Tokens from {source} need {library}, which is not installed.",
        transport=source.lower(),
        remedy='Install it: pip install "zenmail[oauth]"',
    )


def no_token(source: str, why: str, *, remedy: str, temporary: bool = False) -> DeliveryError:
    """Return the error for a token that was not issued; a network that fails is temporary."""
    message = f"{source} issued no token: {why}"
    if temporary:
        return TemporaryFailure(message, code="oauth-unreachable", remedy=remedy)
    return PermanentFailure(message, code="oauth-refused", remedy=remedy)
