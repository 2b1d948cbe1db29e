"""HTTP for the libraries that fetch tokens: every call ends by the deadline."""

from __future__ import annotations

from typing import Any

from zenmail import Deadline

__all__ = ["session_until"]


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
