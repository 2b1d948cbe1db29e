"""A database under the ledger: the same SQL on each.

Statements name their parameters ``:name``. ``{now}`` is the database's clock in seconds since
1970, ``{lock}`` locks the row that a SELECT returns, ``{skip_locked}`` passes over rows that
others have locked, ``{quick}`` at the end of a statement has it not wait for PostgreSQL's
disk, ``IN :names[]`` looks for a value in a JSON list.
"""

import contextlib
import functools
import random
import re
import secrets
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any, Literal, NamedTuple, TypeVar

from ..clean import clean_line
from ..errors import LedgerError
from ..patterns import pattern
from ..runtime.forks import close_before_fork, defer_forks, reset_after_fork

__all__ = ["QUEUE_PATIENCE", "Dialect", "Engine", "Row", "Survives", "Transaction"]

_Result = TypeVar("_Result")
Row = Sequence[Any]
Survives = Literal["statement", "nothing", "process", "machine"]
"""Whose end a transaction survives: a promise costs time. ``statement`` is a single one."""

_LIST = pattern(r"IN :([a-z_]+)\[\]")
_PARAMETER = pattern(r"(?<!:):([a-z_]+)")
# For how many seconds a database that cannot be used is left alone.
_REST = 15.0
# Seconds that others are waited for who use the database.
QUEUE_PATIENCE = 60.0
_MOST_IDLE = 4
_OTHER_SCHEMA = pattern(r"no such (table|column)|has no column")
# SQLSTATE of an undefined table and column, as PostgreSQL speaks its administrator's language:
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_UNDEFINED = frozenset({"42P01", "42703"})
_VERSION = "SELECT max(version) FROM zenmail_ledger"
_VERSIONS = "CREATE TABLE IF NOT EXISTS zenmail_ledger (version INTEGER PRIMARY KEY)"


class Dialect(NamedTuple):
    """What the databases spell differently."""

    now: str
    lock: str = ""
    skip_locked: str = ""
    quick: str = ""
    in_list: str = r"IN (SELECT value FROM json_each(:\1))"
    parameter: str = r":\1"


@functools.lru_cache(maxsize=256)
def _translate(sql: str, dialect: Dialect) -> str:
    sql = _LIST.sub(dialect.in_list, sql.format(**dialect._asdict()))
    return _PARAMETER.sub(dialect.parameter, sql)


class Transaction:
    """Statements on a connection, which take effect together.

    Args:
        connection: What executes them.
        dialect: The database's.
    """

    def __init__(self, connection: Any, dialect: Dialect) -> None:
        self.close = connection.close
        self._cursor = connection.cursor()
        self._dialect = dialect

    def command(self, sql: str) -> None:
        """Execute what is as it has to be, without parameters."""
        self._cursor.execute(sql)

    def execute(self, sql: str, **values: Any) -> int:
        """Execute a statement; return how many rows it changed."""
        self._cursor.execute(_translate(sql, self._dialect), values)
        return int(self._cursor.rowcount)

    def rows(self, sql: str, **values: Any) -> list[Row]:
        """Execute a statement; return its rows."""
        self._cursor.execute(_translate(sql, self._dialect), values)
        rows: list[Row] = self._cursor.fetchall()
        return rows

    def each(self, sql: str, values: Sequence[Mapping[str, Any]]) -> None:
        """Execute a statement once for each set of values."""
        if values:
            self._cursor.executemany(_translate(sql, self._dialect), values)


class Engine(ABC):
    """Connections to one database, for all threads of this process and its children.

    Attributes:
        name: Where the database is, without a password.
        owner: What this process signs its leases with.
    """

    name: str
    owner: str
    _dialect: Dialect
    _errors: tuple[type[Exception], ...]
    _schema_lock = "SELECT 1"
    _password = ""

    def __init__(self) -> None:
        self._inside: set[int] = set()
        self._down_until = 0.0
        reset_after_fork(self)
        close_before_fork(self)

    def __del__(self) -> None:
        if hasattr(self, "_idle"):
            Engine.close(self)

    def reset(self) -> None:
        """Start afresh: a child has neither its parent's connections nor its leases."""
        self.owner = secrets.token_hex(8)
        self._idle: deque[Transaction] = deque()
        self._inside.clear()

    def close(self) -> None:
        """Close the connections; the next use opens new ones."""
        while self._idle:
            with contextlib.suppress(Exception, IndexError):
                self._idle.pop().close()

    def run(
        self, work: Callable[[Transaction], _Result], *, survives: Survives = "process"
    ) -> _Result:
        """Do some work in one transaction, again if the database goes away meanwhile.

        Args:
            work: What to do; it may be called more than once.
            survives: Whose end its result has to survive.

        Raises:
            LedgerError: The database cannot be used.
        """
        me = threading.get_ident()
        if me in self._inside:
            # A signal handler: its own thread holds what it would wait for.
            raise LedgerError(f"The ledger {self.name} is in use by the interrupted thread.")
        if time.monotonic() < self._down_until:
            raise LedgerError(f"The ledger {self.name} was not available a moment ago.")
        self._inside.add(me)
        try:
            with defer_forks():
                return self._persist(work, survives)
        finally:
            self._inside.discard(me)

    def rows(self, sql: str, **values: Any) -> list[Row]:
        """Execute one statement; return its rows.

        Raises:
            LedgerError: The database cannot be used.
        """
        return self.run(lambda t: t.rows(sql, **values), survives="statement")

    def _persist(self, work: Callable[[Transaction], _Result], survives: Survives) -> _Result:
        started = time.monotonic()
        pause = 0.02
        while True:
            try:
                return self._once(work, survives)
            except self._errors as error:
                patience = self._patience(error)
                if time.monotonic() - started >= patience:
                    if patience:
                        self._down_until = time.monotonic() + _REST
                    raise self._failure(error) from None
            # Processes that wait for one another come back at different times.
            time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
            pause = min(2 * pause, 0.5)

    def _once(self, work: Callable[[Transaction], _Result], survives: Survives) -> _Result:
        try:
            transaction = self._idle.pop()
        except IndexError:
            transaction = self._connect()
        try:
            if survives == "statement":
                result = work(transaction)
            else:
                result = self._together(transaction, work, survives)
        except BaseException:
            self._discard(transaction)
            raise
        if len(self._idle) < _MOST_IDLE:
            self._idle.append(transaction)
        else:
            transaction.close()
        return result

    def _together(
        self,
        transaction: Transaction,
        work: Callable[[Transaction], _Result],
        survives: Survives,
    ) -> _Result:
        for statement in self._begin(survives):
            transaction.command(statement)
        try:
            result = work(transaction)
        except BaseException:
            with contextlib.suppress(Exception):
                transaction.command("ROLLBACK")
            raise
        transaction.command("COMMIT")
        return result

    def _discard(self, transaction: Transaction) -> None:
        with contextlib.suppress(Exception):
            transaction.close()

    def _failure(self, error: Exception) -> LedgerError:
        said = str(error).replace(self._password, "********") if self._password else str(error)
        detail = clean_line(said or type(error).__name__, limit=300)
        if _OTHER_SCHEMA.search(said) or getattr(error, "sqlstate", None) in _UNDEFINED:
            return LedgerError(
                f"The ledger {self.name} was made by another version of zenmail ({detail}). "
                "Use that version, or another ledger."
            )
        return LedgerError(f"The ledger {self.name} cannot be used: {detail}")

    def _connect(self) -> Transaction:
        connection = self._open()
        try:
            self._set_up(connection)
            transaction = Transaction(connection, self._dialect)
            if self._version(transaction) < len(_migrations()):
                self._migrate(transaction)
            return transaction
        except BaseException:
            connection.close()
            raise

    def _version(self, transaction: Transaction) -> int:
        try:
            return transaction.rows(_VERSION)[0][0] or 0
        except self._errors:
            return 0

    def _migrate(self, transaction: Transaction) -> None:
        def update(transaction: Transaction) -> None:
            transaction.command(self._schema_lock)
            transaction.command(_VERSIONS)
            done = transaction.rows(_VERSION)[0][0] or 0
            for version, script in enumerate(_migrations()[done:], start=done + 1):
                for statement in script:
                    transaction.command(statement)
                transaction.execute(
                    "INSERT INTO zenmail_ledger VALUES (:version)", version=version
                )

        try:
            self._together(transaction, update, "process")
        except self._errors:
            # Another process may have been quicker, in spite of the lock.
            if self._version(transaction) < len(_migrations()):
                raise

    @abstractmethod
    def _open(self) -> Any:
        """Return a new connection on which each statement takes effect by itself."""

    @abstractmethod
    def _set_up(self, connection: Any) -> None:
        """Set what the database remembers of a connection."""

    @abstractmethod
    def _begin(self, survives: Survives) -> Sequence[str]: ...

    @abstractmethod
    def _patience(self, error: Exception) -> float:
        """Return for how many seconds to try again what failed like this."""


@functools.cache
def _migrations() -> list[list[str]]:
    scripts = sorted(files("zenmail.ledger").joinpath("migrations").iterdir(), key=str)
    without_comments = (re.sub("--.*", "", script.read_text("utf-8")) for script in scripts)
    return [[part for part in text.split(";") if part.strip()] for text in without_comments]
