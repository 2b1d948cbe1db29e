"""boto3 clients, one for many mails, whose calls end in time."""

from __future__ import annotations

import logging
import math
import re
import threading
import time
from typing import Any

from zenmail import Deadline
from zenmail.patterns import pattern
from zenmail.runtime.forks import defer_forks, reset_after_fork

from .options import SESOptions

__all__ = ["Clients"]

# A NAT gateway forgets a connection after 350 seconds, and others sooner; the mail sent
# over one that is forgotten would have an unknown outcome.
_IDLE = 50.0

# Where botocore writes whole requests at level DEBUG, credentials included.
_LOGGERS = ("botocore.auth", "botocore.endpoint")
_LOGGED = pattern(
    r"""(Credential=|x-amz-security-token['"]?: ?(?:b?['"])?)[^\s/'",]+""", re.IGNORECASE
)


class Clients:
    """Clients by options and by the time that they are given for a call."""

    def __init__(self) -> None:
        reset_after_fork(self)

    def reset(self) -> None:
        """Start afresh: a child must neither use nor close its parent's connections."""
        self._lock = threading.Lock()
        self._kept: dict[tuple[int, float], tuple[SESOptions, Any]] = {}
        self._used: dict[tuple[int, float], float] = {}
        self._mask: logging.Filter | None = None

    def get(self, options: SESOptions, deadline: Deadline) -> Any:
        """Return a client of boto3 whose calls end by the deadline, as far as it can see to it.

        Its time-outs belong to a client, not to a call, and count from one packet to the
        next. So there is one client per power of two of seconds; the host watches the rest.

        Raises:
            DeadlineExceeded: No time is left.
        """
        seconds = 2.0 ** max(-4, math.floor(math.log2(deadline.timeout("before the call"))))
        key, now = (id(options), min(seconds, 64.0)), time.monotonic()
        with self._lock:
            if key not in self._kept:
                self._kept[key] = (options, self._build(options, key[1]))
            elif now - self._used[key] > _IDLE:
                self._kept[key][1].close()
            self._used[key] = now
            return self._kept[key][1]

    @defer_forks()  # it imports boto3, which imports more as it goes
    def _build(self, options: SESOptions, seconds: float) -> Any:
        from boto3.session import Session
        from botocore.config import Config

        keys = {
            "aws_access_key_id": options.access_key_id,
            "aws_secret_access_key": options.secret_access_key,
            "aws_session_token": options.session_token,
        }
        session = options.session or Session(
            region_name=options.region,
            profile_name=options.profile,
            **{name: key.get_secret_value() for name, key in keys.items() if key},
        )
        if self._mask is None:
            self._mask = _Mask()
            for name in _LOGGERS:
                logging.getLogger(name).addFilter(self._mask)
        make: Any = session.client
        return make(
            "sesv2",
            region_name=options.region,
            endpoint_url=options.endpoint_url,
            config=Config(
                # The host retries.
                retries={"total_max_attempts": 1},
                connect_timeout=seconds / 4,
                read_timeout=seconds * 3 / 4,
                tcp_keepalive=True,
            ),
        )

    def close(self) -> None:
        """Close every client's connections."""
        for _, client in self._kept.values():
            client.close()
        if self._mask is not None:
            for name in _LOGGERS:
                logging.getLogger(name).removeFilter(self._mask)
        self.reset()


class _Mask(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = _LOGGED.sub(r"\1[redacted]", record.getMessage()), None
        return True
