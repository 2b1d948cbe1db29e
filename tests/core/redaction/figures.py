"""Figures of the redaction on the corpus; ``python tests/core/redaction/figures.py odd``."""

from __future__ import annotations

import json
import random
import re
import string
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zenmail import Alert, compose
from zenmail.redaction.redact import Redactor

CORPUS = Path(__file__).with_name("corpus")
_ALPHABETS = {
    "h": "0123456789abcdef",
    "H": "0123456789ABCDEF",
    "a": string.ascii_lowercase + string.digits,
    "A": string.ascii_uppercase + string.digits,
    "m": string.ascii_letters + string.digits,
    "l": string.ascii_lowercase,
    "c": string.ascii_letters,
    "w": string.ascii_letters + string.digits + "_-",
    "b": string.ascii_letters + string.digits + "+/",
    "d": string.digits,
}
_SPOT = re.compile("«(?:=([^»]*)|(\\w)(\\d+))»")


def filled(template: str, seed: str) -> tuple[str, list[str]]:
    """Return a text with its secrets made up, and the secrets."""
    dice = random.Random(seed)
    secrets: list[str] = []

    def make(spot: re.Match[str]) -> str:
        if spot[1] is not None:
            made = spot[1]
        else:
            alphabet = _ALPHABETS[spot[2]]
            made = "".join(dice.choice(alphabet) for _ in range(int(spot[3])))
            if len(alphabet) >= 36 and len(made) > 1:  # some digit, as nearly all have
                made = made[:-1] + ("x" if spot[2] == "c" else "7")
        secrets.append(made)
        return made

    return _SPOT.sub(make, template), secrets


def half(items: list[Any], which: str) -> list[Any]:
    """Return the odd lines, the even ones, or all."""
    return {"odd": items[::2], "even": items[1::2]}.get(which, items)


def _read(name: str, which: str) -> str:
    return (CORPUS / ("unseen" if which == "unseen" else "") / name).read_text("utf-8")


def lines(name: str, which: str) -> list[str]:
    """Return the lines of a file of the corpus."""
    text = _read(name, which)
    return half([line.replace("\\n", "\n") for line in text.split("\n") if line.strip()], which)


def pairs(name: str, which: str) -> list[tuple[str, Any]]:
    """Return the parameters of a file of the corpus."""
    return half([tuple(pair) for pair in json.loads(_read(name, which))], which)


def _left(text: str, secrets: list[str]) -> bool:
    safe = Redactor().text(text)
    return any(len(secret) > 5 and secret in safe for secret in secrets)


def missed_tokens(which: str) -> Iterator[str]:
    """Yield the formats of which a bare token stays in a log line."""
    for template in lines("tokens.txt", which):
        token, secrets = filled(template, template)
        longest = max(secrets, key=len)
        for text in (token, f"2026-03-01 request with {token} was refused", f"got '{token}'."):
            if _left(text, [longest]):
                yield template
                break


def missed_named(which: str) -> Iterator[str]:
    """Yield the lines of which a secret with a name stays."""
    for template in lines("named_secrets.txt", which):
        text, secrets = filled(template, template)
        if _left(text, secrets):
            yield template


def changed_lines(which: str) -> Iterator[str]:
    """Yield the innocent lines that are changed."""
    for line in lines("innocent_lines.txt", which):
        safe = Redactor().text(line)
        if safe != line:
            yield f"{line!r} -> {safe!r}"


def _facts(name: str, value: object) -> tuple[str, int]:
    email = compose(
        Alert(title="x", facts={"parameters": {name: value}}),
        sender="a@example.com",
        to="b@example.com",
    )
    return email.text, int("taken out of this mail" in email.text)


def masked_parameters(which: str) -> Iterator[str]:
    """Yield the innocent parameters that are masked."""
    for name, value in pairs("innocent_parameters.json", which):
        if _facts(name, value)[1]:
            yield f"{name}={value!r}"


def missed_parameters(which: str) -> Iterator[str]:
    """Yield the parameters that hold a secret which stays."""
    for name, template in pairs("secret_parameters.json", which):
        text, secrets = filled(json.dumps(template, ensure_ascii=False), f"{name}{template}")
        shown = _facts(name, json.loads(text))[0]
        if any(len(secret) > 5 and secret in shown for secret in secrets):
            yield f"{name}={template!r}"


FIGURES = (
    ("bare tokens missed", missed_tokens, lines, "tokens.txt"),
    ("named secrets missed", missed_named, lines, "named_secrets.txt"),
    ("secret parameters missed", missed_parameters, pairs, "secret_parameters.json"),
    ("innocent lines changed", changed_lines, lines, "innocent_lines.txt"),
    ("innocent parameters masked", masked_parameters, pairs, "innocent_parameters.json"),
)


def main() -> None:
    """Print the figures of a half, and with ``-v`` what they are about."""
    which = next(iter(sys.argv[1:]), "odd")
    for title, count, read, name in FIGURES:
        found, total = list(count(which)), len(read(name, which))
        print(f"{title}: {len(found)} of {total} ({len(found) / total:.1%})")
        if "-v" in sys.argv:
            print(*("    " + item.replace("\n", "\\n") for item in found), sep="\n")


if __name__ == "__main__":
    main()
