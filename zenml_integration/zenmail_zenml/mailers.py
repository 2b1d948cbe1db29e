"""Mailers cached for the life of the process, to reuse their connections."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any

from pydantic import SecretStr
from zenml.client import Client
from zenml.config.global_config import GlobalConfiguration
from zenml.enums import StoreType

from zenmail import ConfigurationError, Ledger, Mailer, OptionsError, PluginHost, Retry
from zenmail.runtime.forks import reset_after_fork

from .alerts.run_context import PASS_THROUGH
from .settings import Resolved

__all__ = ["MailerCache", "default_ledger", "ledger_location", "mailers", "make_mailer"]

_CAPACITY = 8
_DELIVERY = {
    "transport",
    "deadline",
    "redirect_to",
    "redirect_allow",
    "dry_run",
    "ledger",
    "delivery_policy",
    "max_alerts_per_run",
    "delivery",
}


def ledger_location(settings: Resolved) -> str:
    """Return where the ledger of these settings is, or ``off``."""
    given = settings.ledger.get_secret_value() if settings.ledger is not None else ""
    return given or default_ledger()


def default_ledger() -> str:
    """Return the ledger beside ZenML's configuration, or ``off`` without a local store."""
    # In a pod the store is a server, and a file would go with the pod.
    if Client().zen_store.type != StoreType.SQL:
        return "off"
    return os.path.join(GlobalConfiguration().config_directory, "zenmail.db")


def make_mailer(settings: Resolved, session: Any = None, *, alerter: str = "") -> Mailer:
    """Return a new mailer for the settings.

    Args:
        settings: The settings.
        session: A service connector's boto3 session, for the transport ses.
        alerter: Name of the alerter, which alone sends the mails that it leaves in the ledger.

    Raises:
        ConfigurationError: The transport, its options or an address is invalid.
    """
    options = settings.options()
    location = ledger_location(settings)
    ledger = None if location == "off" else Ledger(location, alerter=alerter)
    if session is not None:
        options.setdefault("session", session)

    redirect = None
    if settings.redirect_to or settings.redirect_allow:
        from zenmail import Redirect

        redirect = Redirect(settings.redirect_to, settings.redirect_allow)

    def make(chosen: dict[str, Any]) -> Mailer:
        return Mailer(
            settings.transport,
            options=chosen,
            deadline=settings.deadline,
            fallbacks=settings.fallbacks(),
            retry=Retry(policy=settings.delivery_policy),
            redirect=redirect,
            dry_run=settings.dry_run,
            delivery=settings.delivery,
            alerts_per_run=settings.max_alerts_per_run,
            ledger=ledger,
            plugins=PluginHost(pass_through=PASS_THROUGH),
            name_option=settings.name_option,
        )

    no_username = settings.transport == "smtp" and not options.get("username")
    if not (no_username and (options.get("password") or options.get("oauth"))):
        return make(options)
    try:
        # The transport knows the user name that some providers require.
        return make(options)
    except OptionsError:
        return make({**options, "username": settings.sender_address})


class _Entry:
    def __init__(self, mailer: Mailer) -> None:
        self.mailer = mailer
        self.users = 0
        self.evicted = False


class MailerCache:
    """Mailers by settings; above the capacity, the least recently used is closed."""

    def __init__(self, capacity: int = _CAPACITY) -> None:
        self._capacity = capacity
        self._salt = secrets.token_bytes(16)
        reset_after_fork(self)

    def reset(self) -> None:
        """Start afresh: a connection must be neither used nor ended in a child as well."""
        self._lock = threading.Lock()
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()

    @contextlib.contextmanager
    def lease(
        self, settings: Resolved, session: Any = None, *, alerter: str = ""
    ) -> Iterator[Mailer]:
        """Lend the mailer for the settings; it stays open during the lease.

        Raises:
            ConfigurationError: The settings are invalid.
        """
        key = self._key(settings, alerter, session)
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                entry = self._entries[key] = _Entry(
                    make_mailer(settings, session, alerter=alerter)
                )
            self._entries.move_to_end(key)
            entry.users += 1
            surplus = range(len(self._entries) - self._capacity)
            evicted = [self._entries.popitem(last=False)[1] for _ in surplus]
        self._close(evicted)
        try:
            yield entry.mailer
        finally:
            with self._lock:
                entry.users -= 1
                finished = entry.evicted and not entry.users
            if finished:
                entry.mailer.close()

    def _key(self, settings: Resolved, alerter: str, session: Any) -> bytes:
        """Return a digest of the settings, which reveals no secret."""
        values = {
            "options": settings.options(),
            "fallbacks": settings.fallbacks(),
            "sender": settings.sender_email,
            "alerter": alerter,
            "session": id(session),
            **settings.model_dump(include=_DELIVERY),
        }

        def plain(item: object) -> str:
            return item.get_secret_value() if isinstance(item, SecretStr) else repr(item)

        try:
            canonical = json.dumps(values, sort_keys=True, default=plain).encode()
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"Invalid option: {error}.") from None
        return blake2b(canonical, key=self._salt, digest_size=32).digest()

    def close(self) -> None:
        """Close every mailer of this process."""
        with self._lock:
            evicted = list(self._entries.values())
            self._entries.clear()
        self._close(evicted)

    def _close(self, evicted: Iterable[_Entry]) -> None:
        """Close mailers that nobody uses; the others are closed by their last user."""
        with self._lock:
            for entry in evicted:
                entry.evicted = True
            idle = [entry.mailer for entry in evicted if not entry.users]
        for mailer in idle:
            mailer.close()


mailers = MailerCache()
"""The mailers of this process."""

atexit.register(mailers.close)
