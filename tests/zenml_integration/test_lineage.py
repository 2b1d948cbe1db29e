"""Deliveries are recorded in the metadata of the step that posted them."""

# No postponed annotations: ZenML 0.94 cannot read them on a step.
from typing import Any

import pytest
from zenml import pipeline, step
from zenml.client import Client

from zenmail.testing.smtp_server import SMTPServer
from zenmail_zenml.lineage import recording

pytestmark = pytest.mark.zenml


@step
def post_partly() -> None:
    """Post to two recipients."""
    params = {"recipient_email": "alice@example.com, bob@example.com"}
    alerter: Any = Client().active_stack.alerter
    alerter.post("Partly", params)


def test_what_was_mailed_is_in_the_metadata(
    alerter: Any, server: SMTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step's metadata says which mail went where, and whether it was taken."""
    # None of the canaries: a transport says what the server said, and the host hides it.
    monkeypatch.setenv("SERVICE_PASSWORD", "quoted-by-server-58d1")
    server.on("rcpt", "550 5.1.1 Unknown user with quoted-by-server-58d1", matching="bob@")

    @pipeline(enable_cache=False)
    def recorded() -> None:
        post_partly()

    finished: Any = recorded()
    recording.close()
    run = Client().get_pipeline_run(finished.id)
    metadata: dict[str, Any] = run.steps["post_partly"].run_metadata
    (entry,) = [value for name, value in metadata.items() if name.startswith("email-")]
    assert entry["message_id"] == server.mails[0].message["Message-ID"]
    assert entry["transport"] == "smtp"
    assert entry["outcome"] == "partial"
    assert entry["accepted"] == ["alice@example.com"]
    assert list(entry["refused"]) == ["bob@example.com"]
    assert "Unknown user with [redacted]" in entry["refused"]["bob@example.com"]
    assert entry["attempts"] >= 1
    assert entry["subject"] == "Partly"
