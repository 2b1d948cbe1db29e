"""Behaviour of the user's templates: they change the mail, and never lose it."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from zenmail import Alert, Email, compose


def mail(alert: Alert, **options: object) -> Email:
    """Return the alert composed for one recipient."""
    return compose(alert, sender="a@example.com", to="oncall@example.com", **options)  # type: ignore[arg-type]


def test_template_of_the_users_overrides_blocks(tmp_path: Path) -> None:
    """A folder's template extends zenmail's and replaces a block."""
    (tmp_path / "alert.html").write_text(
        '{% extends "zenmail/alert.html" %}'
        "{% block footer %}Our footer {{ title }}{% endblock %}"
    )
    email = mail(Alert(title="<b>"), templates=tmp_path)
    assert "Our footer &lt;b&gt;" in (email.html or "")
    assert "sent by zenmail" in email.text


@pytest.mark.parametrize(
    "source",
    [
        "{% block",
        "{{ nothing }}",
        "{{ 1 / 0 }}",
        "{{ 'a' * 10**9 }}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% for a in range(99999) %}{{ 'x' }}{{ title }}{{ 'yyyyyyyyyyyyyyyy' }}{% endfor %}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ 'a'.center(1000000000) }}",
        "{{ 'a'|indent(1000000000, true) }}",
        "{{ '%1000000000d'|format(1) }}",
        "{{ [1]|batch(1000000000, 0)|list }}",
        "{{ range(1000000000)|sum }}",
        "{{ (9 ** 9) ** (9 ** 9) }}",
        "{% for a in range(99999) %}{{ range(99999)|list|length }}{% endfor %}",
        "{{ 'a'|center(1000000000) }}",
        "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
        '{% extends "other" %}',
    ],
)
def test_broken_template_never_loses_the_alert(
    source: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Our own template is used, the mail says so, and the log says why."""
    (tmp_path / "alert.html").write_text(source)
    email = mail(Alert(title="Step failed"), templates=str(tmp_path))
    assert "Step failed" in (email.html or "")
    assert "could not be used" in (email.html or "")
    assert "could not be used" in email.text.replace("\n", " ")
    assert "alert.html" in caplog.text


def test_missing_template_folder_never_loses_the_alert(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A folder that is not there is a note and a line in the log."""
    email = mail(Alert(title="Step failed"), templates="/no/such/folder")
    assert "Step failed" in (email.html or "")
    assert "/no/such/folder" in caplog.text


@pytest.mark.parametrize("name", ["x" * 100_000, "a\0b", "\ud800"])
def test_templates_that_are_no_path_lose_nothing(name: str) -> None:
    """A folder that cannot even be looked for is one that cannot be used."""
    assert "Done" in mail(Alert(title="Done"), templates=name).text


ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


def test_an_endless_template_is_given_up_and_stopped(tmp_path: Path) -> None:
    """No thread goes on with a template whose mail has been written without it."""
    (tmp_path / "alert.html").write_text(ENDLESS)
    before = set(threading.enumerate())
    assert "could not be used" in mail(Alert(title="x"), templates=tmp_path).text
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
        assert not thread.is_alive()


def test_an_endless_template_does_not_hold_up_the_exit(tmp_path: Path) -> None:
    """A program that used such a template ends by itself, and says nothing about it."""
    (tmp_path / "alert.html").write_text(ENDLESS)
    program = (
        "import sys\nfrom zenmail import Alert, compose\n"
        "compose(Alert(title='x'), sender='a@b.example', to='c@d.example',"
        " templates=sys.argv[1])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        timeout=120,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Traceback" not in done.stderr


def test_ordinary_filters_work(tmp_path: Path) -> None:
    """The bounds leave Jinja's own filters and operators usable."""
    (tmp_path / "alert.txt").write_text(
        "{{ 'a'|center(5) }}|{{ 'b'|indent(2, true) }}|{{ '%05.1f'|format(2.25) }}|"
        "{{ '%d' % 1700000000 }}|{{ '-' * 3 }}|{{ 2 ** 10 }}|{{ [1, 2, 3]|batch(2)|list }}"
    )
    assert mail(Alert(title="x"), templates=tmp_path).text == (
        "  a  |  b|002.2|1700000000|---|1024|[[1, 2], [3]]\n"
    )
