"""Who was told of what, so that one event is one mail, regardless of who saw it first."""

from __future__ import annotations

from typing import Literal

from .engine import Engine, Transaction

__all__ = ["Told"]


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

        def take(transaction: Transaction) -> Literal["mine", "busy", "told"]:
            if transaction.execute(
                "INSERT INTO told (alerter, event, created, lease) "
                "VALUES (:alerter, :event, {now}, {now} + :seconds) "
                "ON CONFLICT (alerter, event) DO UPDATE SET lease = {now} + :seconds "
                "WHERE told.lease <= {now}",
                alerter=self._alerter,
                event=event,
                seconds=seconds,
            ):
                return "mine"
            rows = transaction.rows(
                "SELECT lease FROM told WHERE alerter = :alerter AND event = :event",
                alerter=self._alerter,
                event=event,
            )
            return "told" if rows and rows[0][0] is None else "busy"

        return self._engine.run(take)

    def settle(self, event: str) -> None:
        """Note that the event has been told."""
        self._execute("UPDATE told SET lease = NULL WHERE {mine}", event)

    def release(self, event: str) -> None:
        """Let somebody else claim an event whose mail could not be sent."""
        self._execute("DELETE FROM told WHERE {mine} AND lease IS NOT NULL", event)

    def _execute(self, sql: str, event: str) -> None:
        statement = sql.replace("{mine}", "alerter = :alerter AND event = :event")
        self._engine.run(
            lambda transaction: transaction.execute(
                statement, alerter=self._alerter, event=event
            )
        )
