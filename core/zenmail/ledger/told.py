"""Who was told of what, so that one event is one mail, regardless of who saw it first."""

from __future__ import annotations

from typing import Literal

from .engine import Engine, Transaction

__all__ = ["Told"]

_IT = "WHERE alerter = :alerter AND event = :event"
_CLAIM = """INSERT INTO told (alerter, event, created, lease)
VALUES (:alerter, :event, {now}, {now} + :seconds)
ON CONFLICT (alerter, event) DO UPDATE SET lease = excluded.lease WHERE told.lease <= {now}"""


class Told:
    """Events that a mail has been sent about, or is being sent.

    Every method raises `LedgerError` when the database cannot be used.

    Args:
        engine: The database.
        alerter: Whose mails they are.
    """

    def __init__(self, engine: Engine, alerter: str) -> None:
        self._engine = engine
        self._alerter = alerter

    def claim(self, event: str, seconds: float) -> Literal["mine", "busy", "told"]:
        """Claim an event.

        Args:
            event: Its name, the same on every machine, such as ``run-id:failed``.
            seconds: How long the claim is needed at most; afterwards it counts as abandoned.

        Returns:
            "mine" for one caller at a time, and for nobody once the event has been told.
        """
        key = {"alerter": self._alerter, "event": event}

        def take(transaction: Transaction) -> Literal["mine", "busy", "told"]:
            if transaction.execute(_CLAIM, seconds=seconds, **key):
                return "mine"
            rows = transaction.rows(f"SELECT lease FROM told {_IT}", **key)  # noqa: S608
            return "told" if rows and rows[0][0] is None else "busy"

        return self._engine.run(take)

    def settle(self, event: str) -> None:
        """Note that the event has been told."""
        self._execute(f"UPDATE told SET lease = NULL {_IT}", event)  # noqa: S608

    def release(self, event: str) -> None:
        """Let somebody else claim an event whose mail could not be sent."""
        self._execute(f"DELETE FROM told {_IT} AND lease IS NOT NULL", event)  # noqa: S608

    def _execute(self, sql: str, event: str) -> None:
        self._engine.run(lambda t: t.execute(sql, alerter=self._alerter, event=event))
