"""Where the names of secrets may stand in a text: found by what they contain."""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator
from typing import Final

from ..patterns import pattern

__all__ = ["FOREIGN_PASSWORDS", "NAME_CLUES", "folded", "foreign_clues_in", "places_of_names"]

# In a text, a name is looked at only around one of these, in lower case.
NAME_CLUES: Final = (
    *("pass", "pw", "secret", "token", "key", "auth", "cred", "cookie", "connection"),
    *("connstr", "jwt", "_pat", "sig=", "signature=", "code", "otp", "phrase", "mnemonic"),
    *("pin", "sessi", "sid=", "assertion=", "samlresponse", "stringdata", "clave", "contrase"),
    *("senha", "parol", "kennwort", "wachtwoord", "heslo", "salasana", "kode"),
)
FOREIGN_PASSWORDS: Final = (
    *("пароль", "密码", "密碼", "口令", "パスワード", "暗証番号", "비밀번호"),
    *("hasło", "lösenord", "jelszó", "şifre", "κωδικός", "סיסמה"),
)
_NAMES: Final = frozenset((*NAME_CLUES, *FOREIGN_PASSWORDS))
_NAME_CHARACTERS: Final = string.ascii_lowercase + string.digits + "_.-"
_NAME = pattern(r"(?:session (?=id))?[\w-]*(?:\.[\w-]+)*")


def folded(text: str) -> str:
    """Return the text in lower case, with every character in its place."""
    lowered = text.lower()
    if len(lowered) != len(text):  # one character became two
        lowered = "".join(character.lower()[0] for character in text)
    return lowered


def foreign_clues_in(lowered: str) -> list[str]:
    """Return which words for passwords in other scripts are in a text in lower case."""
    return [] if lowered.isascii() else [it for it in FOREIGN_PASSWORDS if it in lowered]


def places_of_names(lowered: str, clues: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Yield where the names begin and end that hold a part of a secret's name."""
    places: list[int] = []
    for clue in _NAMES.intersection(clues):
        at = lowered.find(clue)
        while at >= 0:
            places.append(at)
            at = lowered.find(clue, at + len(clue))
    end = 0
    for start in sorted(places):
        if start >= end and (name := _NAME.match(lowered, start)):
            end = name.end()
            if start and lowered[start - 1] in _NAME_CHARACTERS:
                before = lowered[max(0, start - 64) : start]
                start -= len(before) - len(before.rstrip(_NAME_CHARACTERS))
            yield start, end
