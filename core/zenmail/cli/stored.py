"""Alerters that a framework keeps, read through the entry-point group ``zenmail.alerters``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import entry_points
from typing import Any, cast

from zenmail.mailer import Mailer
from zenmail.outbox import Outbox
from zenmail.plugins import PluginHost
from zenmail.transport import Check

from .app import Failure
from .mailer_options import MailerOptions

__all__ = [
    "ALERTERS",
    "StoredAlerter",
    "from_options",
    "open_mailer",
    "read_alerter",
    "with_addresses",
]

ALERTERS = "zenmail.alerters"
"""Entry-point group of functions that take a name, or None for the active one's, and
return a `StoredAlerter`."""


@dataclass(frozen=True)
class StoredAlerter:
    """What a framework knows of an alerter.

    Attributes:
        name: The name it is registered under.
        transport: Name of its transport.
        options: The transport's options, secrets resolved.
        sender: Who its mails are from.
        to: Who gets them.
        deadline: Seconds for one mail.
        fallbacks: Transports to try when the first cannot deliver.
        outbox: Folder of its outbox, or "".
        checks: What was found while reading it; with a failed one among them the rest
            of the attributes may be empty.
    """

    name: str
    transport: str = ""
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    sender: str = ""
    to: tuple[str, ...] = ()
    deadline: float = 30.0
    fallbacks: Sequence[tuple[str, Mapping[str, Any]]] = field(default=(), repr=False)
    outbox: str = ""
    checks: tuple[Check, ...] = ()


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
    with Console(stderr=True).status(f"Asking {found[0].name} for the alerter ..."):
        read = cast("Callable[[str | None], StoredAlerter]", found[0].load())
        return read(name)


def from_options(mailer: MailerOptions) -> StoredAlerter:
    """Return what the command line says, in the shape of an alerter."""
    return StoredAlerter(
        name="",
        transport=mailer.transport,
        options=mailer.options,
        sender=mailer.sender,
        to=mailer.to,
        deadline=mailer.deadline,
    )


def with_addresses(stored: StoredAlerter, mailer: MailerOptions) -> StoredAlerter:
    """Let --from and --to stand in for the alerter's own addresses."""
    return replace(stored, sender=mailer.sender or stored.sender, to=mailer.to or stored.to)


def open_mailer(
    stored: StoredAlerter,
    *,
    plugins: PluginHost | None = None,
    dry_run: bool = False,
    outbox: Outbox | None = None,
) -> Mailer:
    """Return a mailer for a set-up.

    Raises:
        ConfigurationError: The transport or its options are unusable.
    """
    return Mailer(
        stored.transport,
        options=stored.options,
        deadline=stored.deadline,
        fallbacks=stored.fallbacks,
        dry_run=dry_run,
        outbox=outbox or stored.outbox or None,
        plugins=plugins,
    )
