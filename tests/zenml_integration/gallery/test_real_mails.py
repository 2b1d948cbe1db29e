"""Mails of real runs: what a phone shows first, validators, accessibility and spam rules."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from zenmail import Alert, compose

pytestmark = [pytest.mark.once, pytest.mark.zenml]
HERE = Path(__file__).parent
TOOLS = HERE.parents[1] / "core" / "composing" / "gallery"
FAILURES = ("step-failed", "raised-from", "exception-group")


@pytest.fixture(scope="module")
def mails(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with each mail of the pipelines."""
    pytest.importorskip("pandas", reason="needs pandas")
    pytest.importorskip("matplotlib", reason="needs matplotlib")
    folder = tmp_path_factory.mktemp("mails")
    subprocess.run(
        [sys.executable, "-m", "gallery", str(folder)],
        cwd=HERE.parent,
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture(scope="module")
def pages(mails: Path) -> dict[str, Any]:
    """Return what a phone shows of each mail."""
    _require_browser()
    return _node("pages.mjs", mails)  # type: ignore[no-any-return]


def _require_browser() -> None:
    if shutil.which("node") is None:
        pytest.skip("needs node")
    if not (TOOLS / "node_modules").is_dir():
        pytest.skip(f"needs the npm tools: npm ci --prefix {TOOLS}")
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        pytest.skip("needs Chromium")


def _node(script: str, folder: Path) -> Any:
    run = subprocess.run(
        ["node", str(TOOLS / script), str(folder)], capture_output=True, text=True, check=False
    )
    assert run.stdout, run.stderr
    return json.loads(run.stdout)


def _read(mails: Path, name: str) -> Any:
    return message_from_bytes((mails / f"{name}.eml").read_bytes(), policy=policy.default)


def test_html_has_at_most_20_kb(mails: Path) -> None:
    """Without its pictures, which are files of the mail."""
    paths = list(mails.glob("*.html"))
    assert len(paths) >= 9
    for path in paths:
        page = re.sub(r"data:image[^\"]*", "", path.read_text(encoding="utf-8"))
        assert len(page.encode()) <= 20_000, path.name


def test_text_is_no_wider_than_78_columns(mails: Path) -> None:
    """Whatever a frame's width; only the lines of a traceback are left as they are."""
    for path in mails.glob("*.txt"):
        text = path.read_text(encoding="utf-8").partition("\nTraceback\n")[0]
        assert [line for line in text.split("\n") if len(line) > 78] == [], path.name


@pytest.mark.timeout(900)
def test_first_screen_of_a_phone(pages: dict[str, Any]) -> None:
    """The title takes two lines, the error begins in 600 px, and no word is broken."""
    for name, page in pages.items():
        assert page["titleLines"] <= 2, name
        assert page["broken"] == [], name
        assert page["errorTop"] is None or page["errorTop"] < 600, name
    assert all(pages[name]["errorTop"] for name in FAILURES)


@pytest.mark.timeout(900)
def test_each_thing_stands_once_before_the_traceback(
    mails: Path, pages: dict[str, Any]
) -> None:
    """Exception, step and run; and the inbox shows the message behind the subject."""
    steps = ("add_features", "score_customers", "resolve_features")
    errors = ("KeyError", "KeyError", "LookupError")
    for name, step, error in zip(FAILURES, steps, errors, strict=True):
        before = pages[name]["before"]
        assert before.count(step) == 1, name
        assert before.count(f"{error}: ") == 1, name
        assert before.count("2026_") + before.count("2027_") == 1 or "Run " in before, name
        assert before.count("Run ") == 1, name
        subject = _read(mails, name)["Subject"]
        assert subject.startswith(f"Failed: {step}")
        assert subject.endswith(f": {error}")
        assert len(subject) <= 50
    assert pages["step-failed"]["inbox"].startswith("'tenure_in_months', after ")
    assert pages["step-failed"]["inbox"].rstrip(" \u034f").endswith(" s")


def test_a_run_of_forty_steps_says_how_many_failed(mails: Path) -> None:
    """In the subject; and both stand before those that completed."""
    if not (mails / "run-failed.eml").exists():
        pytest.skip("this ZenML runs no hooks for a run")
    assert _read(mails, "run-failed")["Subject"] == "Failed: forecast_by_region: 2 of 40 failed"
    text = (mails / "run-failed.txt").read_text(encoding="utf-8")
    steps = re.findall(r"^- (\w+): (\w+)", text, re.MULTILINE)
    assert [status for _, status in steps] == ["failed"] * 2 + ["completed"] * 3
    assert "38 completed in" in text


def test_a_wide_frame_is_attached_whole(mails: Path) -> None:
    """The report shows a few columns of 24 and attaches all, and the axes as a picture."""
    mail = _read(mails, "report")
    (table,) = [part for part in mail.walk() if part.get_filename() == "table1.csv"]
    lines = table.get_content().splitlines()
    assert (len(lines), lines[0].count(",")) == (9, 23)
    assert "NaT" not in (mails / "report.txt").read_text(encoding="utf-8")
    assert any(part.get_content_type() == "image/png" for part in mail.walk())


@pytest.mark.timeout(900)
def test_mails_are_valid_and_accessible_and_fetch_nothing(mails: Path) -> None:
    """No error of html-validate and vnu, no violation, no request, no sideways scroll."""
    _require_browser()
    assert _node("check.mjs", mails)["findings"] == []


@pytest.mark.timeout(900)
def test_mails_are_no_spam(mails: Path, tmp_path: Path) -> None:
    """SpamAssassin's own rules score every mail 0.0 or less."""
    if shutil.which("spamassassin") is None:
        pytest.skip("needs spamassassin")
    box = tmp_path / "gallery.mbox"
    paths = sorted(mails.glob("*.eml"))
    box.write_bytes(
        b"".join(
            b"From alerts@example.com Tue Nov 24 23:41:00 2026\n"
            + path.read_bytes().replace(b"\r\n", b"\n")
            + b"\n"
            for path in paths
        )
    )
    run = subprocess.run(
        ["spamassassin", "-L", "--mbox", str(box)], capture_output=True, check=True
    )
    scores = re.findall(rb"^X-Spam-Status: \w+, score=(-?[\d.]+)", run.stdout, re.MULTILINE)
    assert len(scores) == len(paths)
    found = {path.name: float(score) for path, score in zip(paths, scores, strict=True)}
    assert {name: score for name, score in found.items() if score > 0} == {}


@pytest.mark.timeout(900)
def test_a_title_takes_two_lines_whatever_its_name(tmp_path: Path) -> None:
    """Names of up to 60 characters, with and without underscores, stand whole."""
    _require_browser()
    names = [
        ("train_model_on_features_of_the_warehouse_every_night_again_" + "x" * 60)[:length]
        for length in range(5, 61, 5)
    ]
    for name in (*names, "w" * 25 + "i" * 35, "解約予測" * 7):
        alert = Alert(title=f"{name} failed", severity="error", error="ValueError: x")
        email = compose(alert, sender="a@example.com", to="b@example.com")
        assert email.html is not None
        (tmp_path / f"{len(name)}-{name[0]}.html").write_text(email.html, encoding="utf-8")
    pages = _node("pages.mjs", tmp_path)
    assert len(pages) == len(names) + 2
    assert {
        name: page["titleLines"] for name, page in pages.items() if page["titleLines"] > 2
    } == {}
