"""Ratios within one run, with wide margins: what a slower machine slows on both sides."""

from __future__ import annotations

import smtplib
import time
import tracemalloc
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from zenmail import Attachment, Email, Mailer

pytestmark = pytest.mark.once


def _seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def _busy(action: Callable[[], object]) -> float:
    """Return the seconds of this process's own processor time: waiting does not count."""
    started = time.process_time()
    action()
    return time.process_time() - started


def test_a_burst_is_at_least_three_times_as_fast_as_a_connection_per_mail(
    sink: Any, mailer_to: Callable[[int], Mailer], email: Callable[..., Email]
) -> None:
    """The best of three turns each; about fifteen times is usual."""
    mailer = mailer_to(sink.ports["full"])
    mails = 30

    def ours() -> None:
        for number in range(mails):
            mailer.send(email(number)).raise_for_outcome()

    def theirs() -> None:
        for number in range(mails):
            given = email(number)
            mail = EmailMessage()
            mail["From"], mail["To"], mail["Subject"] = given.sender, given.to[0], given.subject
            mail.set_content(given.text)
            mail.add_alternative(given.html or "", subtype="html")
            port = sink.ports["full"]
            with smtplib.SMTP("localhost", port, local_hostname="client.example") as server:
                server.starttls()
                server.login("user", "not-a-secret")
                server.send_message(mail)

    ours()
    turns = [(_seconds(ours), _seconds(theirs)) for _ in range(3)]
    best_of_ours, best_of_theirs = map(min, zip(*turns, strict=True))
    assert best_of_theirs > 3 * best_of_ours


def test_an_attachment_given_as_a_path_is_never_whole_in_memory(
    sink: Any,
    mailer_to: Callable[[int], Mailer],
    email: Callable[..., Email],
    tmp_path: Path,
) -> None:
    """Ten megabytes travel while Python's own memory grows by less than three."""
    path = tmp_path / "report.bin"
    path.write_bytes(bytes(range(256)) * 40_000)
    mailer = mailer_to(sink.ports["full"])
    mailer.send(email()).raise_for_outcome()
    sink.counts()
    tracemalloc.start()
    try:
        mailer.send(email(1, attachments=[Attachment(path=path)])).raise_for_outcome()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sink.counts()["bytes"] > 10_240_000 * 4 / 3
    assert peak < 3_000_000


def test_the_cost_of_recipients_grows_in_step_with_their_number(
    sink: Any, mailer_to: Callable[[int], Mailer], email: Callable[..., Email]
) -> None:
    """Ten times the recipients cost less than thirty times; squared it would be a hundred."""
    mailer = mailer_to(sink.ports["full"])

    def send(recipients: int) -> float:
        to = [f"person{number}@example.com" for number in range(recipients)]
        return min(
            _busy(lambda: mailer.send(email(to=to)).raise_for_outcome()) for _ in range(4)
        )

    assert send(1000) < 30 * send(100)


def test_the_cost_of_a_text_grows_in_step_with_its_length(email: Callable[..., Email]) -> None:
    """Ten times the text costs less than forty times to check and write; squared, a hundred."""
    line = "Füße, 漢字 and\tplain words; " * 3 + "\n"

    def write(lines: int) -> float:
        text = line * lines
        return min(
            _busy(lambda: email(text=text, html=f"<p>{text}</p>").as_bytes()) for _ in range(7)
        )

    assert write(8_000) < 40 * write(800)
