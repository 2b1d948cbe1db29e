"""What providers allow an account, and how not to exceed it."""

import threading
import time
from collections import deque
from typing import NamedTuple

from zenmail import Deadline, TemporaryFailure
from zenmail.runtime.forks import reset_after_fork

__all__ = ["Limits", "Pace", "limits_of"]

_MINUTE = 60.0


class Limits(NamedTuple):
    """What a provider allows.

    Attributes:
        connections: At the same time.
        rate: Mails a minute, or 0 for no limit.
        recipients: Of one mail, or 0 for no limit.
    """

    connections: int = 8
    rate: int = 0
    recipients: int = 0


# By the end of the host's name. From
# https://learn.microsoft.com/office365/servicedescriptions/exchange-online-service-description/exchange-online-limits,
# https://postmarkapp.com/developer/user-guide/send-email-with-smtp,
# https://docs.aws.amazon.com/ses/latest/dg/quotas.html,
# https://support.google.com/a/answer/166852.
_MICROSOFT = Limits(connections=3, rate=30)
_BY_HOST = {
    ".smtp.office365.com": _MICROSOFT,
    ".smtp-mail.outlook.com": _MICROSOFT,
    ".postmarkapp.com": Limits(recipients=50),
    ".amazonaws.com": Limits(recipients=50),
    ".smtp.gmail.com": Limits(recipients=100),
    ".smtp-relay.gmail.com": Limits(recipients=100),
}


def limits_of(host: str) -> Limits:
    """Return what the provider with this host allows, as far as it is known."""
    name = "." + host.strip().rstrip(".").lower()
    return next((found for end, found in _BY_HOST.items() if name.endswith(end)), Limits())


class Pace:
    """Spreads mails so that no minute sees more than are allowed.

    Args:
        rate: Mails a minute, or 0 for no limit.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._starts: deque[float] = deque(maxlen=rate)
        reset_after_fork(self)

    def reset(self) -> None:
        """Start afresh in a child: a thread of the parent may have held the lock."""
        self._lock = threading.RLock()

    def wait(self, deadline: Deadline) -> None:
        """Wait until another mail may be sent.

        Raises:
            TemporaryFailure: That is after the deadline.
        """
        if not self._rate:
            return
        with self._lock:
            now = start = time.monotonic()
            if len(self._starts) == self._rate:
                start = max(now, self._starts[0] + _MINUTE)
            if start >= deadline.expires_at:
                raise TemporaryFailure(
                    f"The limit of {self._rate} mails a minute is reached; the next may be "
                    f"sent in {start - now:.0f} seconds.",
                    code="rate",
                    remedy="Set a ledger, so that mails wait there. If the provider allows "
                    "more, raise `rate`.",
                )
            self._starts.append(start)
        time.sleep(start - now)
