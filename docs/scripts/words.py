"""Find banned phrases in prose: pages, docstrings, comments and messages.

Run it as ``python docs/scripts/words.py``; the exit status is 1 if it finds any. docs/style.md
says what to write instead.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCANNED = (
    "core", "transports", "zenml_integration", "docs", "examples", ".github",
    "README.md", "CONTRIBUTING.md", "SECURITY.md",
)  # fmt: skip
SUFFIXES = {".html", ".md", ".py", ".pyi", ".txt", ".yml"}
# They have to name the phrases.
UNSCANNED = {"docs/scripts/words.py", "docs/style.md"}
PHRASES = {
    r"(?<!there )\bis no (?!longer\b|more\b|one\b|substitute\b|such\b)": "is not a ...",
    r"\b(?:it|that|which|value|list) (?:is|are) (?-i:none)\b": "is not one; there are none",
    r"\b(?:may|can) heal\b|\bheals\b": "temporary failure",
    r"\bputs? \S* ?off\b|\bputs the .{1,30} off\b|\bis put off\b": "retry later",
    r"\bwhat became of\b": "the outcome of",
    r"\bat the most\b": "at most",
    r"\bif it stays\b": "if it keeps happening",
    r"\bput on the wire\b": "is invalid; is sent",
    r"\bout of account\b": "ignore",
    r"\bso many\b(?! that\b)": "this many; a number of",
    r"\btakes? note\b": "records",
    r"\bnobody's business\b|\banybody's guess\b": "is ignored; is unknown",
    r"\bhiccup\b": "a single failure",
    r"\bin vain\b": "without success",
    r"\bthereby\b|\bwhereby\b|\bthereof\b|\bwherein\b": "(leave it out)",
    r"\bof one's own\b": "your own; a custom ...",
    r"\bno mail of \w+'s\b": "not a mail written by ...",
    r"\b[Ll]ook whether\b": "check whether",
    r"\bfor the sake of\b": "for",
    r"\bthere is to be\b": "wanted",
    r"\bmakes no sense\b": "is invalid",
    r"\bthose, too\b": "also",
    r"\btakes no (?:mail|password|address|sender)s?\b": "does not accept",
    r"\ba caller who knows no\b": "an untyped caller",
    r"\bamong the \w+ is an?\b": "every ... must be a ...",
    r"\bgive such as\b": "write it like",
    r"\bthere is no way to\b": "cannot ...; cannot be reached",
    r"\bstands for all\b": "summarizes",
    r"\bof something\b": "name it",
    r"\btold to forget\b": "cancelled",
    r"\bwhatever the \w+\b(?=[.,])": "regardless of the ...",
    r"\bwhoever\b": "the process that ...; anybody who ...",
    r"\btried again\b": "retried",
    r"\blets? go of\b": "closes; releases",
    r"\bthe last word\b": "the last ...",
    r"\bfor the time being\b": "temporarily",
    r"\bfor good\b(?! runs)": "permanently",
    r"\bof the user's own\b": "custom; the user's",
}


def findings(paths: Iterable[Path]) -> Iterator[str]:
    """Yield a line for each banned phrase in the files, also where a line end divides it."""
    for path in paths:
        text = path.read_text(encoding="utf-8")
        # A comment or string that goes on in the next line is one sentence.
        flat = re.sub(r' *"?\n[ \t]*(?:#[ \t]*|f?")?', "\n", text)
        for phrase, better in PHRASES.items():
            for found in re.finditer(phrase.replace(" ", "[ \n]"), flat, re.IGNORECASE):
                line = flat.count("\n", 0, found.start()) + 1
                shown = " ".join(found[0].split())
                yield f"{path}:{line}: {shown!r}: write {better!r}"


def scanned() -> Iterator[Path]:
    """Yield the files to search."""
    for name in SCANNED:
        for path in sorted([ROOT / name, *(ROOT / name).rglob("*")]):
            if (
                path.is_file()
                and path.suffix in SUFFIXES
                and path.relative_to(ROOT).as_posix() not in UNSCANNED
            ):
                yield path


if __name__ == "__main__":
    found = [*findings(scanned())]
    print("\n".join(found) or "No banned phrases.")
    sys.exit(1 if found else 0)
