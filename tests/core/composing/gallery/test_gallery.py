"""Every sample mail, checked by validators, axe-core in Chromium, and SpamAssassin."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from zenmail.composing.gallery import main, samples

pytestmark = pytest.mark.once
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the whole gallery in it."""
    folder = tmp_path_factory.mktemp("gallery")
    assert main([str(folder)]) == 0
    return folder


def test_gallery_holds_each_sample_in_three_forms(gallery: Path) -> None:
    """Each sample is there as HTML, as text and as a mail; the HTML has at most 20 KB."""
    names = [name for name, _ in samples()]
    assert len(names) == 42
    for name in names:
        page = (gallery / f"{name}.html").read_text(encoding="utf-8")
        assert len(re.sub(r"data:image[^\"]*", "", page).encode()) <= 20_000
        assert (gallery / f"{name}.txt").read_text(encoding="utf-8").strip()
        assert (gallery / f"{name}.eml").read_bytes().startswith(b"From: ")


@pytest.mark.timeout(900)
def test_gallery_is_valid_accessible_and_fetches_nothing(gallery: Path) -> None:
    """No error of html-validate and vnu, no violation, no request, no sideways scroll."""
    if shutil.which("node") is None:
        pytest.skip("needs node")
    if not (HERE / "node_modules").is_dir():
        pytest.skip(f"needs the npm tools: npm ci --prefix {HERE}")
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        pytest.skip("needs Chromium")
    run = subprocess.run(
        ["node", str(HERE / "check.mjs"), str(gallery)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout, run.stderr
    report = json.loads(run.stdout)
    assert report["findings"] == []
    assert report["files"] == len(list(samples()))


@pytest.mark.timeout(900)
def test_gallery_is_no_spam(gallery: Path, tmp_path: Path) -> None:
    """SpamAssassin's own rules score every sample 0.0 or less."""
    if shutil.which("spamassassin") is None:
        pytest.skip("needs spamassassin")
    box = tmp_path / "gallery.mbox"
    names = [name for name, _ in samples()]
    with box.open("wb") as stream:
        for name in names:
            mail = (gallery / f"{name}.eml").read_bytes().replace(b"\r\n", b"\n")
            stream.write(b"From alerts@example.com Tue Nov 24 23:41:00 2026\n" + mail + b"\n")
    run = subprocess.run(
        ["spamassassin", "-L", "--mbox", str(box)], capture_output=True, check=True
    )
    scores = re.findall(rb"^X-Spam-Status: \w+, score=(-?[\d.]+)", run.stdout, re.MULTILINE)
    assert len(scores) == len(names)
    assert {
        name: float(score)
        for name, score in zip(names, scores, strict=True)
        if float(score) > 0
    } == {}
