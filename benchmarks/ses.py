"""Amazon SES, played by moto: a kept client beside a client for each mail.

moto takes milliseconds for a request, so this compares how often a client is built and a
connection opened, not how fast a mail is composed.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from statistics import median
from typing import Any

from .content import RECIPIENT, SENDER, Content
from .tables import duration, table, times

_REGION = "eu-central-1"
_KEYS = {"region_name": _REGION, "aws_access_key_id": "key", "aws_secret_access_key": "key"}


@contextmanager
def _moto() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{url}/moto-api/", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def report(content: Content, *, rounds: int) -> str:
    """Return the table; a sentence instead where boto3 or moto is missing."""
    try:
        import boto3
        import moto  # noqa: F401
    except ModuleNotFoundError as error:
        return f"Left out: pip install boto3 'moto[server]' ({error})."
    from zenmail import Email, Mailer

    with _moto() as url:

        def client() -> Any:
            return boto3.client("sesv2", endpoint_url=url, **_KEYS)

        kept = client()
        kept.create_email_identity(EmailIdentity="alerts@example.com")
        options = {
            "region": _REGION,
            "endpoint_url": url,
            "access_key_id": "key",
            "secret_access_key": "key",
        }

        def send_raw(sender: Any) -> None:
            mail = EmailMessage()
            mail["From"], mail["To"], mail["Subject"] = SENDER, RECIPIENT, content.subject
            mail.set_content(content.text)
            mail.add_alternative(content.html, subtype="html")
            sender.send_email(
                FromEmailAddress=SENDER,
                Destination={"ToAddresses": [RECIPIENT]},
                Content={"Raw": {"Data": mail.as_bytes()}},
            )

        with Mailer("ses", options=options, deadline=60) as mailer:

            def send_ours() -> None:
                email = Email(
                    sender=SENDER,
                    to=[RECIPIENT],
                    subject=content.subject,
                    text=content.text,
                    html=content.html,
                )
                mailer.send(email).raise_for_outcome()

            ways: dict[str, Callable[[], None]] = {
                "zenmail": send_ours,
                "boto3, one client": lambda: send_raw(kept),
                "boto3, a client for each mail": lambda: send_raw(client()),
            }
            found: dict[str, list[float]] = {name: [] for name in ways}
            for turn in range(rounds + 1):
                for name, send in ways.items():
                    started = time.perf_counter()
                    send()
                    if turn:
                        found[name].append(time.perf_counter() - started)
    ours = median(found["zenmail"])
    return table(
        ("way", "median per mail", "beside zenmail"),
        [
            (name, duration(median(took)), times(median(took) / ours))
            for name, took in found.items()
        ],
    )
