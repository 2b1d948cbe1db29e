"""Who was told of what, so that one event is one mail, whoever saw it first."""

from __future__ import annotations

from .engine import Engine, Transaction

__all__ = ["Told"]


class Told:
    """Events that a mail has been sent about.

    Every method raises `LedgerError` when the database cannot be used.

    Args:
        engine: The database.
        alerter: Whose mails they are.
    """

    def __init__(self, engine: Engine, alerter: str) -> None:
        self._engine = engine
        self._alerter = alerter

    def claim(self, event: str) -> bool:
        """Return whether the caller is the first, and so may send the mail.

        Args:
            event: What names it everywhere and for ever, such as ``run-id:failed``.
        """

        def insert(transaction: Transaction) -> bool:
            return bool(
                transaction.rows(
                    "INSERT INTO told (alerter, event, created) "
                    "VALUES (:alerter, :event, {now}) "
                    "ON CONFLICT DO NOTHING RETURNING event",
                    alerter=self._alerter,
                    event=event,
                )
            )

        return self._engine.run(insert)

    def release(self, event: str) -> None:
        """Let somebody else claim an event whose mail could not be sent."""
        self._engine.run(
            lambda transaction: transaction.execute(
                "DELETE FROM told WHERE alerter = :alerter AND event = :event",
                alerter=self._alerter,
                event=event,
            )
        )
