"""Mailers kept for as long as the process lives, so that their connections are, too."""

from __future__ import annotations

import atexit
import contextlib
import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from zenmail import ConfigurationError, Mailer, OptionsError
from zenmail.runtime.forks import reset_after_fork

from .alerts.run_context import PASS_THROUGH
from .settings import Resolved

__all__ = ["MailerCache", "mailers", "make_mailer"]

_MOST = 8
_DELIVERY = {
    "transport",
    "deadline",
    "redirect_to",
    "redirect_allow",
    "dry_run",
    "outbox",
    "delivery_policy",
    "max_alerts_per_run",
    "delivery",
}


def make_mailer(settings: Resolved, session: Any = None) -> Mailer:
    """Return the mailer for the settings in force.

    Args:
        settings: The settings.
        session: A boto3 session for the transport ses, from a service connector.

    Raises:
        ConfigurationError: The transport, its options or an address is unusable.
    """
    options = settings.options()
    if session is not None:
        options.setdefault("session", session)

    def make(chosen: dict[str, Any]) -> Mailer:
        return Mailer(
            settings.transport,
            options=chosen,
            deadline=settings.deadline,
            fallbacks=settings.fallbacks(),
            redirect_to=settings.redirect_to,
            redirect_allow=settings.redirect_allow,
            dry_run=settings.dry_run,
            policy=settings.delivery_policy,
            delivery=settings.delivery,
            alerts_per_run=settings.max_alerts_per_run,
            outbox=settings.outbox or None,
            pass_through=PASS_THROUGH,
        )

    needs_name = settings.transport == "smtp" and not options.get("username")
    if not (needs_name and (options.get("password") or options.get("oauth"))):
        return make(options)
    try:
        # Some providers have a name of their own, and the transport knows it.
        return make(options)
    except OptionsError:
        return make({**options, "username": settings.sender_address})


@dataclass
class _Kept:
    mailer: Mailer
    users: int = 0
    evicted: bool = False


class MailerCache:
    """Mailers by their settings, the least recently used closed first.

    Args:
        most: How many are kept.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._salt = secrets.token_bytes(16)
        reset_after_fork(self)

    def reset(self) -> None:
        """Start afresh: a connection must be neither used nor ended in a child as well."""
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()

    @contextlib.contextmanager
    def lease(self, settings: Resolved, session: Any = None) -> Iterator[Mailer]:
        """Lend the mailer for the settings; it is not closed while it is lent.

        Raises:
            ConfigurationError: The settings are unusable.
        """
        key = self._key(settings, session)
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                kept = self._kept[key] = _Kept(make_mailer(settings, session))
            self._kept.move_to_end(key)
            kept.users += 1
            leaving = self._overdue()
        for mailer in leaving:
            mailer.close()
        try:
            yield kept.mailer
        finally:
            with self._lock:
                kept.users -= 1
                finished = kept.evicted and not kept.users
            if finished:
                kept.mailer.close()

    def _overdue(self) -> list[Mailer]:
        leaving = []
        while len(self._kept) > self._most:
            _, kept = self._kept.popitem(last=False)
            kept.evicted = True
            if not kept.users:
                leaving.append(kept.mailer)
        return leaving

    def _key(self, settings: Resolved, session: Any) -> bytes:
        """Return what stands for the settings without holding a secret of theirs."""
        held = {
            "options": settings.options(),
            "fallbacks": settings.fallbacks(),
            "sender": settings.sender_email,
            "session": id(session),
            **settings.model_dump(include=_DELIVERY),
        }
        return blake2b(_canonical(held).encode(), key=self._salt, digest_size=32).digest()

    def close(self) -> None:
        """Close every mailer that this process made."""
        with self._lock:
            leaving = list(self._kept.values())
            self._kept.clear()
            for kept in leaving:
                kept.evicted = True
        for kept in leaving:
            if not kept.users:
                kept.mailer.close()


def _canonical(value: Any) -> str:
    import json

    from pydantic import SecretStr

    def plain(item: Any) -> Any:
        return item.get_secret_value() if isinstance(item, SecretStr) else repr(item)

    try:
        return json.dumps(value, sort_keys=True, default=plain)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"An option cannot be used: {error}.") from None


mailers = MailerCache()
"""The process's own."""

atexit.register(mailers.close)
