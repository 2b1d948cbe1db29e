"""What can be said of an account without sending."""

from __future__ import annotations

from typing import Any

import pytest

from zenmail import (
    Mailer,
)

pytest.importorskip("boto3")

pytestmark = pytest.mark.extras


class Account:
    """A session whose client knows of an account and of identities."""

    def __init__(self, account: Any, verified: tuple[str, ...]) -> None:
        self._account = account
        self._verified = verified

    def client(self, *_: Any, **__: Any) -> Account:
        """Return itself."""
        return self

    def get_account(self) -> Any:
        """Return the account, or fail."""
        return self._account if isinstance(self._account, dict) else self._fail(self._account)

    def get_email_identity(self, *, EmailIdentity: str) -> Any:  # noqa: N803
        """Return what is known of an identity."""
        if EmailIdentity not in self._verified:
            self._fail("NotFoundException")
        return {"VerifiedForSendingStatus": True}

    def _fail(self, code: str) -> None:
        from botocore.exceptions import ClientError

        raise ClientError({"Error": {"Code": code, "Message": "No."}}, "Operation")

    def close(self) -> None:
        """Do nothing."""


QUOTA = {"Max24HourSend": 200.0, "MaxSendRate": 1.0, "SentLast24Hours": 12.0}


@pytest.mark.parametrize(
    ("account", "verified", "statuses", "word"),
    [
        ({"SendQuota": QUOTA, "ProductionAccessEnabled": True}, ("example.com",),
         ["passed", "passed"], "12 of 200"),
        ({"SendQuota": QUOTA, "ProductionAccessEnabled": False}, ("alerts@example.com",),
         ["passed", "passed"], "sandbox"),
        ({"SendQuota": QUOTA, "SendingEnabled": False}, (), ["failed", "failed"], "paused"),
        ("AccessDeniedException", ("example.com",), ["skipped", "passed"], "ses:GetAccount"),
        ("InvalidClientTokenId", (), ["failed", "skipped"], "InvalidClientTokenId"),
    ],
)  # fmt: skip
def test_verify_asks_for_account_and_sender(
    account: Any, verified: tuple[str, ...], statuses: list[str], word: str, make_email: Any
) -> None:
    """Quota, sandbox, pauses and the sender's identity are told without a mail."""
    with Mailer("ses", options={"session": Account(account, verified)}) as mailer:
        checks = mailer.verify(make_email())["ses"]
    assert [check.status for check in checks] == statuses
    assert word in checks[0].detail
    assert all(check.remedy for check in checks if check.status == "failed")
