"""The ledger: a small database of what must outlive a process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from .engine import Engine
from .outbox import Outbox
from .sqlite import Memory, SQLite
from .storms import Storms

if TYPE_CHECKING:
    from .told import Told

__all__ = ["Ledger", "open_engine"]

_DAY = 86400.0


class Ledger:
    """A database of mails that wait, counts of a storm, and who was told of what.

    Nothing is opened before it is used. It may be shared by threads, and passed through a
    fork.

    Args:
        location: The path of an SQLite file, ``postgresql://user:password@host/database``, or
            ``:memory:``.
        alerter: Whose mails they are; those of another name are left alone.
        max_age: Seconds after which a mail that still waits counts as failed.
        margin: Seconds after a mail's deadline that its sender may take to record
            the outcome. Then it counts as dead.

    Attributes:
        name: Where it is, without a password.
        outbox: The mails that wait.
        storms: The alerts that are held back.

    Raises:
        ConfigurationError: The location cannot be one.
    """

    def __init__(
        self,
        location: str | os.PathLike[str],
        *,
        alerter: str = "",
        max_age: float = 7 * _DAY,
        margin: float = 30.0,
    ) -> None:
        self._engine = open_engine(location)
        self.name = self._engine.name
        self.alerter = alerter
        self.outbox = Outbox(self._engine, alerter, max_age=max_age, margin=margin)
        self.storms = Storms(self._engine, alerter, margin=margin)

    @property
    def told(self) -> Told:
        """The events that somebody was told of."""
        from .told import Told

        return Told(self._engine, self.alerter)

    def __repr__(self) -> str:
        return f"Ledger({self.name!r})"

    def close(self) -> None:
        """Close its connections; it can be used again."""
        self._engine.close()


def open_engine(location: str | os.PathLike[str]) -> Engine:
    """Return the engine for a path, a URL or ``:memory:``.

    Raises:
        ConfigurationError: The location is not one of these, or a package it needs is missing.
    """
    try:
        text = os.fsdecode(location)
        path = Path(text).expanduser()
        if b"\0" in os.fsencode(path):
            text = ""
    except (TypeError, ValueError, RuntimeError):
        text, path = "", Path()
    if text == ":memory:":
        return Memory()
    if text.startswith(("postgresql://", "postgres://")):
        from .postgres import PostgreSQL

        return PostgreSQL(text)
    if not text.strip() or "://" in text:
        raise ConfigurationError(
            "The ledger is neither a path nor a postgresql:// URL.",
            remedy="Give the path of an SQLite file, or postgresql://user@host/database.",
        )
    return SQLite(os.path.abspath(path))
