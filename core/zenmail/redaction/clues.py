"""Where the names of secrets may stand in a text: found by what they contain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from ..patterns import pattern

__all__ = ["folded", "names_in", "places_of_names"]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# Passwords in other languages; those of other scripts only in texts that are not all ASCII.
_ABROAD = _words(
    "kennwort clave contrase senha wachtwoord heslo parol salasana kodeord adgangskode"
)
_IN_OTHER_SCRIPTS = _words(
    "пароль 密码 密碼 口令 パスワード 暗証番号 비밀번호 hasło lösenord jelszó şifre κωδικός "
    "סיסמה"
)
# In a text, a name is looked at only around one of these, in lower case.
_CLUES: Final = (
    *("pass", "pw", "secret", "token", "key", "auth", "cred", "cookie", "connection"),
    *("connstr", "jwt", "_pat", "sig=", "signature=", "code", "otp", "phrase", "mnemonic"),
    *(
        "pin=",
        "pin:",
        'pin"',
        "pin'",
        "sessid",
        "sessionid",
        "session_id",
        "session id",
        "sid=",
    ),
    *("assertion=", "samlresponse", "stringdata", "masterauth", "mot de passe", *_ABROAD),
)
_NAME = pattern(r"(?:mot de |session (?=id))?[\w-]*(?:\.[\w-]+)*")


def folded(text: str) -> str:
    """Return the text in lower case, with every character in its place."""
    lowered = text.lower()
    if len(lowered) != len(text):  # one character became two
        lowered = "".join(character.lower()[0] for character in text)
    return lowered


def names_in(lowered: str) -> list[str]:
    """Return which parts of secret names are in a text, given in lower case."""
    # CPython searches for something short backwards in less than half the time.
    found = [clue for clue in _CLUES if lowered.rfind(clue) >= 0]
    if not lowered.isascii():
        found += [clue for clue in _IN_OTHER_SCRIPTS if clue in lowered]
    return found


def places_of_names(lowered: str, clues: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Yield where the parts of secret names begin, and where the names end."""
    places: list[int] = []
    for clue in clues:
        at = lowered.find(clue)
        while at >= 0:
            places.append(at)
            at = lowered.find(clue, at + len(clue))
    end = 0
    for start in sorted(places):
        if start >= end and (name := _NAME.match(lowered, start)):
            end = name.end()
            yield start, end
