"""Alerters that a framework stores, read through the entry point ``zenmail.alerters``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import entry_points
from threading import Timer
from typing import TYPE_CHECKING, Protocol, cast

import click

from .app import Failure
from .mailer_options import MailerOptions, as_flag, as_flags

if TYPE_CHECKING:
    from ..check import Check
    from ..delivery.mailer import Mailer

__all__ = [
    "ALERTERS",
    "AlerterStore",
    "StoredAlerter",
    "alerter_names",
    "from_options",
    "read_alerter",
    "set_up",
    "waiting",
]

ALERTERS = "zenmail.alerters"
"""Entry-point group of `AlerterStore` objects."""


class AlerterStore(Protocol):
    """A framework's alerters; a module with these functions is one."""

    def read(self, name: str | None) -> StoredAlerter:
        """Return an alerter; its checks tell what is wrong with it.

        Args:
            name: Its name; None for the one in use.
        """
        ...

    def names(self) -> Sequence[str]:
        """Return the names of all alerters that zenmail can read."""
        ...


@dataclass(frozen=True)
class StoredAlerter:
    """An alerter as its framework stores it.

    Attributes:
        name: The name it is registered under.
        transport: Name of its transport.
        open: Makes its mailer, see `mailer`; None when a check failed.
        sender: The sender of its mails.
        to: Their recipients.
        fallbacks: Names of the transports to try when the first cannot deliver.
        ledger: Its ledger, or "".
        checks: What was found while reading it.
        commands: Returns the commands that set options of its transport, given by name.
    """

    name: str
    transport: str = ""
    open: Callable[..., Mailer] | None = None
    sender: str = ""
    to: tuple[str, ...] = ()
    fallbacks: tuple[str, ...] = ()
    ledger: str = field(default="", repr=False)  # its URL may hold a password
    checks: tuple[Check, ...] = ()
    commands: Callable[[Mapping[str, str]], list[str]] = as_flags

    def mailer(self, *, ledger: str = "", dry_run: bool = False) -> Mailer:
        """Open its mailer.

        Args:
            ledger: A ledger in place of the alerter's own.
            dry_run: Whether to do everything except send.

        Raises:
            Failure: A check failed.
            ConfigurationError: The transport or its options are unusable.
        """
        for check in self.checks:
            if check.status == "failed":
                raise Failure(check.detail, remedy=check.remedy, exit_code=2)
        assert self.open is not None
        return self.open(ledger=ledger, dry_run=dry_run)


def read_alerter(name: str | None) -> StoredAlerter:
    """Read an alerter from the framework that stores it.

    Args:
        name: Its name; None for the one in use.

    Raises:
        Failure: No installed package stores alerters.
    """
    with waiting("Reading the alerter from ZenML (importing ZenML takes some seconds)"):
        return _store().read(name)


def alerter_names() -> list[str]:
    """Return the names of all alerters that zenmail can read.

    Raises:
        Failure: No installed package stores alerters.
    """
    with waiting("Reading the alerters from ZenML (importing ZenML takes some seconds)"):
        return [*_store().names()]


def _store() -> AlerterStore:
    found = list(entry_points(group=ALERTERS))
    if not found:
        raise Failure(
            "No installed package stores alerters.",
            remedy="Give a transport and its options: --transport=smtp "
            "--smtp-server=smtp.example.com",
            exit_code=2,
        )
    return cast("AlerterStore", found[0].load())


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Say on standard error what is waited for, once that has taken a second."""
    timer = Timer(1.0, click.echo, (f"{what} ...",), {"err": True})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def set_up(mailer: MailerOptions, alerter: str | None) -> StoredAlerter:
    """Return the set-up on the command line, or else an alerter; with the addresses given."""
    stored = from_options(mailer) if mailer.given else read_alerter(alerter)
    return replace(stored, sender=mailer.sender or stored.sender, to=mailer.to or stored.to)


def from_options(mailer: MailerOptions) -> StoredAlerter:
    """Return the set-up given on the command line."""

    def open_mailer(*, ledger: str = "", dry_run: bool = False) -> Mailer:
        from ..delivery.mailer import Mailer

        return Mailer(
            mailer.transport,
            options=mailer.options,
            deadline=mailer.deadline,
            dry_run=dry_run,
            ledger=ledger or None,
            name_option=as_flag,
        )

    return StoredAlerter("", mailer.transport, open_mailer, sender=mailer.sender, to=mailer.to)
