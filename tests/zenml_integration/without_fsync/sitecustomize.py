"""SQLite does not wait for the disk under ZenML's stores: no test cuts the power.

Half the time of a store's set-up, and a fifth of a run's, is such waiting. SQLAlchemy, and so
ZenML, connects through ``sqlite3.dbapi2``; zenmail's ledger does not.
"""

from __future__ import annotations

from sqlite3 import Connection, dbapi2
from typing import Any

_connect = dbapi2.connect


def _connect_without_fsync(*arguments: Any, **options: Any) -> Connection:
    connection: Connection = _connect(*arguments, **options)
    connection.execute("PRAGMA synchronous=OFF")
    return connection


dbapi2.connect = _connect_without_fsync  # type: ignore[assignment]
