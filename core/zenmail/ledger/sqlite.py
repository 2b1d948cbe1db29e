"""SQLite: a file, or the memory of a process."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from .engine import QUEUE_PATIENCE, Dialect, Engine, Survives, Transaction

__all__ = ["Memory", "SQLite"]

_Result = TypeVar("_Result")


class SQLite(Engine):
    """A file.

    Args:
        path: The file; it and its folder are created for this user alone.
    """

    _dialect = Dialect(now="((julianday('now') - 2440587.5) * 86400.0)")

    def __init__(self, path: str) -> None:
        import sqlite3  # here, where forks wait

        self._sqlite3 = sqlite3
        self._errors = (sqlite3.Error, OSError)
        self.name = path
        super().__init__()

    def _open(self) -> Any:
        path = Path(self.name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _create(path)
        return self._opened()

    def _opened(self) -> Any:
        return self._sqlite3.connect(
            self.name,
            timeout=QUEUE_PATIENCE / 4,
            isolation_level=None,
            check_same_thread=False,
        )

    def _set_up(self, connection: Any) -> None:
        # Most mails fit one page.
        connection.execute("PRAGMA page_size = 16384")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        # Debian's SQLite would write zeros over all pages of a mail that is gone.
        connection.execute("PRAGMA secure_delete = FAST")

    def _begin(self, survives: Survives) -> Sequence[str]:
        # The page cache outlives a process, not the machine.
        level = "FULL" if survives == "machine" else "NORMAL"
        return f"PRAGMA synchronous = {level}", "BEGIN IMMEDIATE"

    def _patience(self, error: Exception) -> float:
        # The switch to WAL does not wait for a lock, as everything else in SQLite does.
        return QUEUE_PATIENCE / 4 if "locked" in str(error) else 0.0


class Memory(SQLite):
    """The memory of this process: one connection, which all threads share."""

    def __init__(self) -> None:
        super().__init__(":memory:")

    def reset(self) -> None:  # noqa: D102
        super().reset()
        self._alone = threading.RLock()

    def close(self) -> None:
        """Keep the connection, which is the database."""

    def _open(self) -> Any:
        return self._opened()

    def _once(self, work: Callable[[Transaction], _Result], survives: Survives) -> _Result:
        with self._alone:
            return super()._once(work, survives)

    def _discard(self, transaction: Transaction) -> None:
        self._idle.append(transaction)  # what failed has been rolled back


def _create(path: Path) -> None:
    """Create an empty file for this user alone, if there is none.

    The file itself is never opened here: closing it would take away the locks that SQLite
    holds on it in this process (https://www.sqlite.org/howtocorrupt.html, 2.2).
    """
    # Not through a link, which somebody else may have laid.
    if path.is_symlink():
        raise OSError("it is a symbolic link")
    if not path.exists():
        handle, draft = tempfile.mkstemp(dir=path.parent)
        os.close(handle)
        try:
            with contextlib.suppress(FileExistsError):
                os.link(draft, path, follow_symlinks=False)
        finally:
            os.unlink(draft)
