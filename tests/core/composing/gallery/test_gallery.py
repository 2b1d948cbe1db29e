"""Mails of real runs: what a phone shows first, validators, accessibility and spam rules."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from zenmail import Alert, StepSummary, compose
from zenmail.composing.samples import preview, sample, sample_names

pytestmark = pytest.mark.once
HERE = Path(__file__).parent
FAILURES = {
    "failure": ("add_features", "KeyError"),
    "raised-from": ("score_customers", "KeyError"),
    "exception-group": ("resolve_features", "LookupError"),
}


def wide_table() -> Alert:
    """Return an alert whose table and names are wider than a phone."""
    row = {f"validation_metric_{at:02}": 0.123456 + at for at in range(12)}
    lines = [" | ".join(row), "|".join(["---"] * len(row)), " | ".join(["0.125"] * len(row))]
    name = "validation_average_precision_of_customers"
    return Alert(
        title="Report",
        body="\n".join(f"| {line} |" for line in lines),
        metrics={name: 1_204_331.5},
        baseline={name: 1_100_000.5},
        tables={"Wide": [row] * 3},
        steps=(
            StepSummary(name=f"train_{'x' * 60}", status="failed", seconds=3.0, started=0.0),
        ),
    )


@pytest.fixture(scope="module")
def mails(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with all recorded alerts as mails, and a wide table."""
    folder = tmp_path_factory.mktemp("gallery")
    for name in sample_names():
        preview(sample(name), folder, name=name)
    preview(wide_table(), folder, name="wide")
    return folder


@pytest.fixture(scope="module")
def pages(mails: Path) -> dict[str, Any]:
    """Return what a phone shows of each mail."""
    return _node("pages.mjs", mails)  # type: ignore[no-any-return]


def _node(script: str, folder: Path) -> Any:
    if shutil.which("node") is None:
        pytest.skip("needs node")
    if not (HERE / "node_modules").is_dir():
        pytest.skip(f"needs the npm tools: npm ci --prefix {HERE}")
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        pytest.skip("needs Chromium")
    run = subprocess.run(
        ["node", str(HERE / script), str(folder)], capture_output=True, text=True, check=False
    )
    assert run.stdout, run.stderr
    return json.loads(run.stdout)


def _read(mails: Path, name: str) -> Any:
    return message_from_bytes((mails / f"{name}.eml").read_bytes(), policy=policy.default)


def test_each_sample_is_small_in_three_forms(mails: Path) -> None:
    """The HTML has at most 20 KB without its pictures; the text fits 78 columns."""
    assert len(sample_names()) >= 12
    for name in sample_names():
        page = (mails / f"{name}.html").read_text(encoding="utf-8")
        assert len(re.sub(r"data:image[^\"]*", "", page).encode()) <= 20_000, name
        text = (mails / f"{name}.txt").read_text(encoding="utf-8")
        before = text.partition("\nTraceback\n")[0]
        wide = [line for line in before.split("\n") if len(line) > 78 and " " in line.strip()]
        assert wide == [], name


@pytest.mark.timeout(900)
def test_first_screen_of_a_phone(pages: dict[str, Any]) -> None:
    """The title takes two lines, the error begins in 600 px, and no word is broken."""
    assert pages["failure"]["errorTop"]
    for name, page in pages.items():
        if name != "hostile":
            assert page["titleLines"] <= 2, name
        assert page["broken"] == [], name
        assert page["errorTop"] is None or page["errorTop"] < 600, name


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", FAILURES)
def test_each_thing_stands_once_before_the_traceback(
    mails: Path, pages: dict[str, Any], name: str
) -> None:
    """Exception, step and run; and the inbox shows the message behind the subject."""
    step, error = FAILURES[name]
    before = pages[name]["before"]
    assert before.count(step) == 1
    assert before.count(f"{error}: ") == 1
    assert before.count("Run ") == 1 + before.count("Run it again")
    subject = _read(mails, name)["Subject"]
    assert subject.startswith(f"Failed: {step}")
    assert subject.endswith(f": {error}")
    assert len(subject) <= 50
    assert re.match(r".+, after [\d.]+ s", pages[name]["inbox"])


def test_a_run_of_forty_steps_says_how_many_failed(mails: Path) -> None:
    """In the subject; and both stand before those that completed."""
    subject = _read(mails, "run-summary")["Subject"]
    assert subject == "Failed: forecast_by_region: 2 of 40 failed"
    text = (mails / "run-summary.txt").read_text(encoding="utf-8")
    steps = re.findall(r"^- (\w+): (\w+)", text, re.MULTILINE)
    assert [status for _, status in steps] == ["failed"] * 2 + ["completed"] * 3
    assert "38 completed in" in text


def test_a_wide_frame_is_attached_whole(mails: Path) -> None:
    """The report shows a few columns of 24 and attaches all, and the axes as a picture."""
    mail = _read(mails, "report")
    (table,) = [part for part in mail.walk() if part.get_filename() == "table1.csv"]
    lines = table.get_content().splitlines()
    assert (len(lines), lines[0].count(",")) == (9, 23)
    assert any(part.get_content_type() == "image/png" for part in mail.walk())


@pytest.mark.timeout(900)
def test_mails_are_valid_and_accessible_and_fetch_nothing(mails: Path) -> None:
    """No error of html-validate and vnu, no violation, no request, nothing cut or faint.

    Where a client drops the style sheet, a wide table alone scrolls.
    """
    report = _node("check.mjs", mails)
    assert report["findings"] == []
    assert report["files"] == len(sample_names()) + 1


@pytest.mark.timeout(900)
def test_mails_are_no_spam(mails: Path, tmp_path: Path) -> None:
    """SpamAssassin's own rules score every mail 0.0 or less."""
    if shutil.which("spamassassin") is None:
        pytest.skip("needs spamassassin")
    box = tmp_path / "gallery.mbox"
    names = sample_names()
    with box.open("wb") as stream:
        for name in names:
            mail = (mails / f"{name}.eml").read_bytes().replace(b"\r\n", b"\n")
            stream.write(b"From alerts@example.com Tue Nov 24 23:41:00 2026\n" + mail + b"\n")
    run = subprocess.run(
        ["spamassassin", "-L", "--mbox", str(box)], capture_output=True, check=True
    )
    scores = re.findall(rb"^X-Spam-Status: \w+, score=(-?[\d.]+)", run.stdout, re.MULTILINE)
    assert len(scores) == len(names)
    found = {name: float(score) for name, score in zip(names, scores, strict=True)}
    assert {name: score for name, score in found.items() if score > 0} == {}


@pytest.mark.timeout(900)
def test_a_title_takes_two_lines_whatever_its_name(tmp_path: Path) -> None:
    """Names of up to 60 characters, with and without underscores, stand whole."""
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
    lines = {name: page["titleLines"] for name, page in pages.items()}
    assert {name: count for name, count in lines.items() if count > 2} == {}


@pytest.mark.timeout(900)
def test_words_of_the_author_are_folded_beyond_a_screen_and_a_half(tmp_path: Path) -> None:
    """What fits a screen of a phone stays whole; more shows as much before "Read on"."""
    sentence = "The nightly run used twice as many rows as the week before. "
    paragraphs = [sentence * 3] * 30
    bodies = {
        "short": ("\n\n".join(paragraphs[:4]), "markdown"),
        "uneven": ("Hello,\n\n" + "\n\n".join(paragraphs), "markdown"),
        "listed": ("\n".join(f"- {sentence}" for _ in range(40)), "markdown"),
        "log": (
            "\n".join(f"epoch {at:02}: loss {1 / (at + 1):.3f}" for at in range(90)),
            "plain",
        ),
    }
    for name, (body, body_format) in bodies.items():
        alert = Alert(title="Report", body=body, body_format=body_format)  # type: ignore[arg-type]
        preview(alert, tmp_path, name=name)
        whole = (tmp_path / f"{name}.txt").read_text(encoding="utf-8")
        assert " ".join(body.replace("- ", "").split()) in " ".join(
            whole.replace("- ", "").split()
        )
    folds = {name: page["fold"] for name, page in _node("pages.mjs", tmp_path).items()}
    assert folds["short"] is folds["listed"] is None
    assert 900 < folds["uneven"] < 1500
    assert 900 < folds["log"] < 1500
