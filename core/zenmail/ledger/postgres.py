"""PostgreSQL, or what speaks its protocol."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from ..clean import clean_line
from ..errors import ConfigurationError, MissingExtra
from .engine import QUEUE_PATIENCE, Dialect, Engine, Survives

__all__ = ["PostgreSQL"]

# Seconds that a restart of the database is waited for.
_PATIENCE = 5.0


class PostgreSQL(Engine):
    """A PostgreSQL database, or one that speaks its protocol.

    Args:
        url: ``postgresql://user:password@host/database``.
    """

    _dialect = Dialect(
        now="extract(epoch FROM clock_timestamp())::float8",
        lock="FOR UPDATE",
        skip_locked="FOR UPDATE SKIP LOCKED",
        # Not for the session, which a pool of connections may lend to others.
        quick="RETURNING set_config('synchronous_commit', 'off', true)",
        # An array is looked up in the index, whatever is believed of the size of the table.
        in_list=r"= ANY (ARRAY(SELECT json_array_elements_text(CAST(:\1 AS json))))",
        parameter=r"%(\1)s",
    )
    _schema_lock = "SELECT pg_advisory_xact_lock(7136521)"

    def __init__(self, url: str) -> None:
        try:
            import psycopg
            import psycopg.conninfo
        except ImportError:
            raise MissingExtra(
                "A ledger in PostgreSQL needs psycopg, which is not installed.",
                remedy='Install it: pip install "zenmail[postgres]"',
            ) from None
        self._psycopg = psycopg
        self._errors = (psycopg.Error, OSError)
        self._url = url
        try:
            parts = urlsplit(url)
            at = f"{parts.username}@" if parts.username else ""
            port = f":{parts.port}" if parts.port else ""
            psycopg.conninfo.conninfo_to_dict(url)
        except (ValueError, psycopg.Error):
            raise ConfigurationError(
                "The ledger's URL is invalid.",
                remedy="Write it like postgresql://user:password@host/database.",
            ) from None
        self._password = parts.password or ""
        self.name = clean_line(f"postgresql://{at}{parts.hostname or ''}{port}{parts.path}")
        super().__init__()

    def _open(self) -> Any:
        return self._psycopg.connect(
            self._url,
            autocommit=True,
            connect_timeout=5,
            keepalives_idle=30,
            tcp_user_timeout=int(_PATIENCE * 1000),
            application_name="zenmail",
            client_encoding="UTF8",
        )

    def _set_up(self, connection: Any) -> None:
        # To compile a statement takes longer than to run it, and to compress a mail longer than
        # to write it. What only speaks PostgreSQL's protocol does not know the words.
        for setting in ("jit = off", "default_toast_compression = lz4"):
            with contextlib.suppress(self._psycopg.Error):
                connection.execute(f"SET {setting}")

    def _begin(self, survives: Survives) -> Sequence[str]:
        return (
            "BEGIN; SET LOCAL synchronous_commit = off" if survives == "nothing" else "BEGIN",
        )

    def _patience(self, error: Exception) -> float:
        if not isinstance(error, self._psycopg.OperationalError):
            return 0.0
        full = re.search("too many|slots", str(error))
        return QUEUE_PATIENCE if full else _PATIENCE
