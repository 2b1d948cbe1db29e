from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from zenmail import Email, Mailer, Receipt, Retry


def _make_email(**changes: Any) -> Email:
    """Return a mail."""
    values: dict[str, Any] = {
        "sender": "Alerts <alerts@example.com>",
        "to": ["oncall@example.com"],
        "subject": "Step failed",
        "text": "Accuracy fell.\n",
    }
    return Email(**{**values, **changes})


class StubbedSession:
    """What a boto3 session is to the transport; its clients answer from a script."""

    def __init__(self) -> None:
        from boto3.session import Session

        self._session = Session(
            aws_access_key_id="AKIACANARY0000000000",
            aws_secret_access_key="canary/aws+secret/4d5e",
            region_name="eu-west-1",
        )
        self._script: list[Callable[[Any], None]] = []
        self.clients = 0
        self.arguments: dict[str, Any] = {}

    def answers(self, **expected: Any) -> None:
        """Let the next call succeed, if it has these arguments."""
        self._script.append(
            lambda stubber: stubber.add_response(
                "send_email", {"MessageId": f"id-{len(self._script)}"}, expected or None
            )
        )

    def fails(self, code: str, message: str = "No.", status: int = 400) -> None:
        """Let the next call fail."""
        self._script.append(
            lambda stubber: stubber.add_client_error("send_email", code, message, status)
        )

    def client(self, service: str, **arguments: Any) -> Any:
        """Return a client with the script."""
        self.clients += 1
        self.arguments = arguments
        from botocore.stub import Stubber

        client = self._session.client(service, **arguments)
        stubber = Stubber(client)
        for step in self._script:
            step(stubber)
        stubber.activate()
        return client


@pytest.fixture
def session() -> StubbedSession:
    """Return a session whose clients answer from a script."""
    return StubbedSession()


@pytest.fixture
def make_email() -> Callable[..., Email]:
    """Return what makes a mail."""
    return _make_email


@pytest.fixture
def send() -> Callable[..., Receipt]:
    """Return what sends a mail through SES."""

    def send(
        email: Email, *, attempts: int = 1, deadline: float = 30.0, **options: Any
    ) -> Receipt:
        with Mailer(
            "ses", options=options, retry=Retry(max_attempts=attempts), deadline=deadline
        ) as mailer:
            return mailer.send(email)

    return send
