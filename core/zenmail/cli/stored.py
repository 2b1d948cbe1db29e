"""Alerters that a framework keeps, read through the entry-point group ``zenmail.alerters``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Protocol, cast

from .app import Failure
from .mailer_options import MailerOptions

if TYPE_CHECKING:
    from ..delivery.mailer import Mailer
    from ..transport import Check

__all__ = [
    "ALERTERS",
    "Opener",
    "StoredAlerter",
    "from_options",
    "read_alerter",
    "with_addresses",
]

ALERTERS = "zenmail.alerters"
"""Entry-point group of functions that take a name, or None for the active one's, and
return a `StoredAlerter`."""


class Opener(Protocol):
    """Makes the mailer of an alerter."""

    def __call__(self, *, ledger: str = "", dry_run: bool = False) -> Mailer:
        """Return a mailer.

        Args:
            ledger: A ledger in place of the alerter's own.
            dry_run: Whether to do everything but send.

        Raises:
            ConfigurationError: The transport or its options are unusable.
        """
        ...


@dataclass(frozen=True)
class StoredAlerter:
    """What a framework knows of an alerter.

    Attributes:
        name: The name it is registered under.
        transport: Name of its transport.
        open: Makes its mailer; None when a check failed.
        sender: Who its mails are from.
        to: Who gets them.
        fallbacks: Names of the transports to try when the first cannot deliver.
        ledger: Its ledger, or "".
        checks: What was found while reading it.
    """

    name: str
    transport: str = ""
    open: Opener | None = None
    sender: str = ""
    to: tuple[str, ...] = ()
    fallbacks: tuple[str, ...] = ()
    ledger: str = field(default="", repr=False)  # its URL may hold a password
    checks: tuple[Check, ...] = ()

    def mailer(self, *, ledger: str = "", dry_run: bool = False) -> Mailer:
        """Open its mailer.

        Raises:
            Failure: A check failed.
            ConfigurationError: The transport or its options are unusable.
        """
        failed = next((check for check in self.checks if check.status == "failed"), None)
        if failed is not None or self.open is None:
            raise Failure(
                failed.detail if failed is not None else "The alerter cannot be used.",
                remedy=failed.remedy if failed is not None else "",
                exit_code=2,
            )
        return self.open(ledger=ledger, dry_run=dry_run)


def read_alerter(name: str | None) -> StoredAlerter:
    """Read an alerter from the framework that keeps it.

    Args:
        name: Its name; None for the one that is in use.

    Raises:
        Failure: No installed package keeps alerters.
    """
    from rich.console import Console

    found = list(entry_points(group=ALERTERS))
    if not found:
        raise Failure(
            "No installed package keeps alerters.",
            remedy="Name a transport and its options: --transport=smtp --host=smtp.example.com",
            exit_code=2,
        )
    with Console(stderr=True).status("Reading the alerter ..."):
        read = cast("Callable[[str | None], StoredAlerter]", found[0].load())
        return read(name)


def from_options(mailer: MailerOptions) -> StoredAlerter:
    """Return what the command line says, in the shape of an alerter."""

    def open_mailer(*, ledger: str = "", dry_run: bool = False) -> Mailer:
        from ..delivery.mailer import Mailer

        return Mailer(
            mailer.transport,
            options=mailer.options,
            deadline=mailer.deadline,
            dry_run=dry_run,
            ledger=ledger or None,
        )

    return StoredAlerter(
        name="",
        transport=mailer.transport,
        open=open_mailer,
        sender=mailer.sender,
        to=mailer.to,
    )


def with_addresses(stored: StoredAlerter, mailer: MailerOptions) -> StoredAlerter:
    """Let --from and --to stand in for the alerter's own addresses."""
    return replace(stored, sender=mailer.sender or stored.sender, to=mailer.to or stored.to)
