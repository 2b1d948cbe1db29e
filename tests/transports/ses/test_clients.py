"""The clients of boto3: when they are made, and what they show."""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
import threading
from typing import Any

import pytest

from zenmail import (
    Mailer,
    MissingExtra,
)

pytest.importorskip("boto3")

pytestmark = pytest.mark.extras


def test_one_client_serves_many_mails(session: Any, make_email: Any) -> None:
    """Clients are costly; the same options use the same one, also from several threads."""
    for _ in range(12):
        session.answers()
    with Mailer("ses", options={"session": session}) as mailer:
        threads = [threading.Thread(target=mailer.send, args=(make_email(),)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        receipts = [mailer.send(make_email()) for _ in range(4)]
    assert session.clients == 1
    assert all(receipt.delivered for receipt in receipts)


def test_botocore_neither_retries_nor_outlasts_the_deadline(
    session: Any, make_email: Any, send: Any
) -> None:
    """Its retries are off, and its time-outs together are shorter than the deadline."""
    session.answers()
    send(make_email(), session=session, deadline=20.0)
    config = session.arguments["config"]
    assert config.retries["total_max_attempts"] == 1
    assert config.connect_timeout + config.read_timeout <= 20.0


@pytest.fixture
def no_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Take away whatever AWS configuration this machine has."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.mark.usefixtures("no_aws")
@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({}, "ses-region"),
        ({"region": "eu-west-1"}, "ses-credentials"),
        ({"profile": "nobody"}, "ses-credentials"),
        ({"region": "not a region"}, "ses-region"),
    ],
)
def test_what_is_missing_is_named(
    options: dict[str, Any], code: str, make_email: Any, send: Any
) -> None:
    """No region, no credentials, no such profile: one final answer with a remedy."""
    receipt = send(make_email(), attempts=3, **options)
    assert receipt.outcome == "refused"
    assert receipt.attempts == 1
    assert receipt.code == code
    assert receipt.remedy


def test_without_boto3_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error holds the command that installs what is missing."""
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(MissingExtra, match=r'pip install "zenmail\[ses\]"'):
        Mailer("ses")


def test_boto3_is_imported_for_the_first_mail(ses: Any) -> None:
    """Choosing the transport costs nothing; only sending does."""
    program = (
        "import sys, zenmail\n"
        f"mailer = zenmail.Mailer('ses', options={ses.options!r})\n"
        "assert not {'boto3', 'botocore'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_no_secret_is_shown_or_logged(
    ses: Any, caplog: pytest.LogCaptureFixture, make_email: Any
) -> None:
    """Neither repr nor log, not even botocore's own at level DEBUG, holds a key or token."""
    caplog.set_level(logging.DEBUG)
    secrets = {
        "access_key_id": "AKIACANARY0000000000",
        "secret_access_key": "canary/aws+secret/4d5e",
        "session_token": "canary-session-8a9b/+==",
    }
    options = {**ses.options, **secrets}
    with Mailer("ses", options=options) as mailer:
        receipt = mailer.send(make_email())
        written = [repr(mailer._routes), repr(receipt), str(pickle.dumps(receipt))]
    assert receipt.delivered
    assert "Sending http request" in caplog.text
    for secret in secrets.values():
        assert all(secret not in text for text in (*written, caplog.text))
