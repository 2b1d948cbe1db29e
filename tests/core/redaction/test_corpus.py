"""The redaction on a corpus: secrets are found, innocents are left alone."""

from __future__ import annotations

import random
import re
import string
import subprocess
import sys
from pathlib import Path

import pytest

from zenmail.redaction.redact import Redactor
from zenmail.redaction.tokens import Format, formats

# At most these percentages of each, on either half of the corpus.
LIMITS = {
    "bare tokens missed": 5.0,
    "named secrets missed": 5.0,
    "secret parameters missed": 0.0,
    "innocent lines changed": 1.0,
    "innocent parameters masked": 5.0,
}


@pytest.mark.parametrize("half", ["odd", "even", "unseen"])
def test_the_figures_of_the_corpus_hold(half: str) -> None:
    """On both halves, of which one was kept apart while the rules were made."""
    script = Path(__file__).with_name("figures.py")
    done = subprocess.run(
        [sys.executable, str(script), half, "-v"],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONIOENCODING": "utf-8"},
    )
    found = {}
    for line in done.stdout.splitlines():
        if not line.startswith(" ") and line:
            title, _, figures = line.partition(": ")
            found[title] = float(figures.rpartition("(")[2].rstrip("%)"))
    assert found.keys() == LIMITS.keys()
    assert all(found[title] <= limit for title, limit in LIMITS.items()), done.stdout


def _made(known: Format) -> str:
    """Return a token of a format."""
    dice = random.Random(known.rest)
    alphabets = {"h": "0123456789abcdef", "d": string.digits, "l": string.ascii_lowercase}
    alphabets |= {"a": string.digits + "xyz", "A": string.digits + "XYZ"}

    def characters(blank: re.Match[str]) -> str:
        alphabet = alphabets.get(blank[1], string.ascii_letters + string.digits)
        return "".join(dice.choice(alphabet) for _ in range(max(1, int(blank[2]))))

    return known.start + re.sub(r"\{(\w)(\d+)(?:-\d+|\+)?\}", characters, known.rest)


@pytest.mark.parametrize("around", ["{}", "request {} failed", "('{}')", "a={}", "x\\n{}"])
def test_each_format_of_the_table_is_found(around: str) -> None:
    """Wherever a token of it stands, what follows its beginning is taken out."""
    left = [
        known.vendor
        for known in formats()
        if (token := _made(known))[-8:] in Redactor().text(around.format(token))
    ]
    assert left == []


def test_the_table_knows_a_hundred_and_twenty_vendors() -> None:
    """Each format tells where it is documented."""
    assert len({known.vendor.split()[0] for known in formats()}) >= 120
    assert all("." in known.documented for known in formats())
