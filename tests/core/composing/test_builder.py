"""Behaviour of the content's builder."""

from __future__ import annotations

import html
import re
import shlex
from datetime import datetime, timezone
from typing import Any

import pytest

from zenmail import Alert, StepSummary, compose


class Broken:
    """A value that cannot be printed."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__

    @property
    def shape(self) -> tuple[int, ...]:
        raise RuntimeError("no")


class Stopped(Exception):
    """What a signal handler raises."""


class Stopping:
    def __str__(self) -> str:
        raise Stopped


def test_values_that_cannot_be_shown_lose_nothing_else() -> None:
    """A broken object anywhere is a note; the rest of the alert arrives."""
    email = compose(
        Alert(
            title="Title",
            facts={"a": Broken(), "b": 1, "c": {"d": [Broken()]}},
            metrics={"m": Broken(), "kept": 0.25},
            tables={"t": Broken(), "u": [[1]]},
        ),
        sender="a@example.com",
        to="b@example.com",
    )
    for words in ("Title", "b: 1", "Broken", "cannot be shown", "kept: 0.25"):
        assert words in email.text


def test_a_stop_signal_is_not_swallowed() -> None:
    """An exception that ends the program passes through."""
    with pytest.raises(Stopped):
        compose(
            Alert(title="x", facts={"a": Stopping()}),
            sender="a@example.com",
            to="b@example.com",
            pass_through=(Stopped,),
        )


@pytest.mark.parametrize("body_format", ["markdown", "plain"])
def test_what_is_folded_is_laid_out_like_what_is_not(body_format: Any) -> None:
    """A long body's end is HTML behind "Read on", and not its source."""
    email = compose(
        Alert(title="x", body="A **b** c\n\n" * 80, body_format=body_format),
        sender="a@example.com",
        to="b@example.com",
    )
    first, found, rest = (email.html or "").partition("Read on</summary>")
    assert found
    line = "A <strong>b</strong> c" if body_format == "markdown" else "A **b** c"
    assert line in first
    assert line in rest
    assert "&lt;" not in rest


@pytest.mark.parametrize(
    ("hour", "time_zone", "shown"),
    [
        (12, "", "2026-01-15 12:30 UTC"),
        (12, "Europe/Berlin", "2026-01-15 13:30 CET (12:30 UTC)"),
        (23, "Europe/Berlin", "2026-01-16 00:30 CET (2026-01-15 23:30 UTC)"),
    ],
)
def test_local_time_stands_beside_utc(hour: int, time_zone: str, shown: str) -> None:
    """The day of UTC is named where it is another."""
    email = compose(
        Alert(title="x", occurred_at=datetime(2026, 1, 15, hour, 30, tzinfo=timezone.utc)),
        sender="a@example.com",
        to="b@example.com",
        time_zone=time_zone,
    )
    assert f"{shown}, sent by zenmail" in email.text
    assert f"{shown}, sent by" in (email.html or "")


def test_changed_parameters_come_first_behind_the_traceback() -> None:
    """However many there are, those that changed are shown and say so."""
    parameters = {f"p{number:02}": number for number in range(60)}
    email = compose(
        Alert(
            title="x",
            severity="error",
            facts={"Parameters": parameters},
            traceback="Traceback (most recent call last):\nKeyError: 1",
            changed=("p55", "gone"),
        ),
        sender="a@example.com",
        to="b@example.com",
    )
    traceback, _, rest = email.text.partition("KeyError: 1")
    assert "p55" not in traceback
    assert rest.index("p55 (changed): 55") < rest.index("p00: 0")
    assert rest.count("p55") == 1
    assert "gone" not in email.text


def test_commands_in_next_steps_stand_out_and_can_be_pasted() -> None:
    """Code in HTML, lines of their own in text; a shell reads these as the command."""
    folder = "/data/feature store/of the nightly training of all our churn models"
    command = f"zenml pipeline run training.nightly.train --folder {shlex.quote(folder)}"
    email = compose(
        Alert(
            title="train failed",
            severity="error",
            command=f"cat {shlex.quote(folder)} {'w' * 70}",
            next_steps=(f"Run it again: `{command}`", "See https://a.example/<b> or `me`"),
        ),
        sender="a@example.com",
        to="b@example.com",
    )
    assert email.html is not None
    codes = re.findall(r"<code[^>]+monospace[^>]+>([^<]+)</code>", email.html)
    assert list(map(html.unescape, codes)) == [command, "me"]
    assert 'href="https://a.example/"' in email.html
    assert "&lt;b&gt;" in email.html
    assert "- See https://a.example/<b> or me\n" in email.text
    assert max(map(len, email.text.splitlines())) <= 80
    shown = email.text.partition("Run it again:\n")[2].partition("\n- ")[0]
    assert shlex.split(shown.replace("\\\n", "")) == shlex.split(command)


def test_steps_link_to_their_pages() -> None:
    """In both parts; what is no web address stays text."""
    page = "https://zenml.example.com/runs/1?step="
    steps = tuple(
        StepSummary(name=name, status=status, url=f"{page}{name}")
        for name, status in (("load", "completed"), ("train", "failed"))
    )
    steps += (StepSummary(name="odd", status="failed", url="javascript:alert(1)"),)
    email = compose(
        Alert(title="r failed", steps=steps), sender="a@example.com", to="b@example.com"
    )
    links = dict(
        re.findall(r'<a class="l"\s+href="([^"]+)"[^>]*>([^<]+)</a>', email.html or "")
    )
    assert links == {f"{page}load": "load", f"{page}train": "train"}
    assert f"\n  {page}train\n" in email.text
