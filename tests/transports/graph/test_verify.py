"""What can be said of Microsoft Graph without sending."""

from __future__ import annotations

from typing import Any

import pytest

from zenmail import Email, Mailer

pytest.importorskip("msal")

pytestmark = pytest.mark.extras

EMAIL = Email(sender="alerts@example.com", to="oncall@example.com", subject="s", text="t")


def verify(graph: Any, email: Email | None = EMAIL, **options: Any) -> dict[str, Any]:
    """Return the checks by name."""
    with Mailer("graph", options=graph.options(**options)) as mailer:
        return {check.name: check for check in mailer.verify(email)["graph"]}


@pytest.mark.parametrize(
    ("permissions", "status"),
    [
        ({"roles": ["Mail.Send"]}, "passed"),
        ({"scp": "User.Read Mail.Send"}, "passed"),
        ({"roles": ["User.Read.All"]}, "failed"),
        ({}, "skipped"),
    ],
)
def test_the_permission_is_read_from_the_token(
    graph: Any, permissions: dict[str, Any], status: str
) -> None:
    """Mail.Send is there, is missing, or may be granted in Exchange alone."""
    graph.permissions = permissions
    checks = verify(graph)
    assert checks["token"].status == "passed"
    assert checks["permission"].status == status
    assert bool(checks["permission"].remedy) == (status == "failed")
    assert graph.mails == []


@pytest.mark.parametrize(
    ("scripted", "status", "word"),
    [
        (None, "skipped", "User.Read.All"),
        ((200, {}, {"id": "1"}), "passed", "exists"),
        ((404, {}, {"error": {"code": "Request_ResourceNotFound", "message": "No."}}),
         "failed", "ResourceNotFound"),
        ((503, {}, None), "failed", "503"),
    ],
)  # fmt: skip
def test_the_mailbox_is_asked_for(graph: Any, scripted: Any, status: str, word: str) -> None:
    """With Mail.Send alone Graph does not tell, and that is no failure."""
    graph.script = [scripted]
    check = verify(graph)["mailbox"]
    assert (check.status, word in check.detail) == (status, True)


def test_without_a_sender_no_mailbox_is_asked_for(graph: Any) -> None:
    """The token can be checked all the same."""
    checks = verify(graph, None)
    assert (checks["token"].status, checks["mailbox"].status) == ("passed", "skipped")
    assert graph.calls == []


def test_without_a_token_the_rest_is_skipped(graph: Any) -> None:
    """The token source's advice is the check's."""
    options = graph.options()["oauth_options"]
    checks = verify(graph, oauth_options={**options, "authority": "https://localhost:1/t"})
    assert checks["token"].status == "failed"
    assert checks["token"].remedy
    assert checks["mailbox"].status == "skipped"
