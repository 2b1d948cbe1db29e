"""`zenmail preview`: what a mail looks like."""

from __future__ import annotations

from collections.abc import Callable
from email import message_from_bytes, policy
from pathlib import Path

import click
import pytest
from click.testing import Result

from zenmail import Alert, Attachment

Run = Callable[..., Result]


def test_a_sample_is_written(zenmail: Run, tmp_path: Path) -> None:
    """HTML, text and the whole mail are written, and their paths printed."""
    result = zenmail("preview", "failure", "--no-open", f"--output={tmp_path}")
    assert result.exit_code == 0, result.output
    written = [Path(line) for line in result.stdout.splitlines()]
    assert {path.suffix for path in written} == {".html", ".txt", ".eml"}
    assert all(path.stat().st_size > 100 for path in written)


def test_an_alert_of_ones_own(zenmail: Run, tmp_path: Path) -> None:
    """--alert makes the mail from a JSON file."""
    source = tmp_path / "alert.json"
    file = Attachment(filename="a.csv", content=b"a,b")
    alert = Alert(title="Drift <found>", severity="warning", attachments=[file])
    source.write_text(alert.model_dump_json())
    result = zenmail("preview", f"--alert={source}", "--no-open", f"--output={tmp_path}")
    assert result.exit_code == 0, result.output
    assert "Drift &lt;found&gt;" in (tmp_path / "alert.html").read_text(encoding="utf-8")
    mail = message_from_bytes((tmp_path / "alert.eml").read_bytes(), policy=policy.default)
    (attached,) = mail.iter_attachments()
    assert attached.get_content() == "a,b"


def test_the_browser_is_opened_on_the_html(
    zenmail: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless --no-open is given, the HTML is opened."""
    opened: list[str] = []
    monkeypatch.setattr(click, "launch", opened.append)
    zenmail("preview", f"--output={tmp_path}")
    assert opened == [(tmp_path / "success.html").as_uri()]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "alert.json: Invalid JSON"),
        ("[]", "Write it like {"),
        ('{"titel": "x"}', "'titel'"),
    ],
)
def test_a_wrong_alert_is_a_users_error(
    zenmail: Run, tmp_path: Path, text: str, says: str
) -> None:
    """A file that holds no alert ends with status 2 and one sentence."""
    source = tmp_path / "alert.json"
    source.write_text(text)
    result = zenmail("preview", f"--alert={source}", "--no-open")
    assert result.exit_code == 2
    assert says in result.stderr


def test_an_unknown_kind_names_the_known(zenmail: Run) -> None:
    """A mistyped kind ends with status 2; --list shows the kinds."""
    result = zenmail("preview", "failed", "--no-open")
    assert result.exit_code == 2
    assert "failure" in result.stderr
    assert "failure" in zenmail("preview", "--list").stdout


@pytest.mark.parametrize("form", ["folder", "package"])
def test_templates_of_ones_own(
    zenmail: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """--templates takes what the alerter takes: a folder, and a folder of a package."""
    mail = tmp_path / "own_templates" / "mail"
    mail.mkdir(parents=True)
    (mail.parent / "__init__.py").touch()
    (mail / "alert.txt").write_text("My own template")
    monkeypatch.syspath_prepend(str(tmp_path))
    value = str(mail) if form == "folder" else "own_templates:mail"
    result = zenmail("preview", f"--templates={value}", "--no-open", f"--output={tmp_path}")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "success.txt").read_text() == "My own template\n"


@pytest.mark.parametrize("value", ["nowhere", "no_package:mail"])
def test_templates_that_are_not_there(zenmail: Run, value: str) -> None:
    """Mistyped templates end with status 2 and say what would do."""
    result = zenmail("preview", f"--templates={value}", "--no-open")
    assert result.exit_code == 2
    assert f"There are no templates at {value!r}" in result.stderr
    assert "package:folder" in result.stderr
