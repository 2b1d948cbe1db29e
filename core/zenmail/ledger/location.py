"""Where a ledger is."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import ConfigurationError
from .engine import Engine
from .sqlite import Memory, SQLite

__all__ = ["open_engine"]


def open_engine(location: str | os.PathLike[str]) -> Engine:
    """Return the engine for a path, a URL or ``:memory:``.

    Raises:
        ConfigurationError: The location is not one of these, or a package it needs is missing.
    """
    try:
        text = os.fsdecode(location)
        if not text.strip() or b"\0" in os.fsencode(text):
            raise ValueError
        if text.startswith(("postgresql://", "postgres://")):
            from .postgres import PostgreSQL

            return PostgreSQL(text)
        if "://" in text:
            raise ValueError
        if text == ":memory:":
            return Memory()
        return SQLite(os.path.abspath(Path(text).expanduser()))
    except (TypeError, ValueError, RuntimeError) as error:
        if isinstance(error, ConfigurationError):
            raise
        raise ConfigurationError(
            "The ledger is neither a path nor a postgresql:// URL.",
            remedy="Give the path of an SQLite file, or postgresql://user@host/database.",
        ) from None
