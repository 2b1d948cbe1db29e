"""The alerter's own secrets, in the forms in which they turn up in messages."""

import base64
import html
import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

from ..patterns import pattern
from .looks import is_random
from .names import is_secret, secrecy_of, stored_secrecy
from .spans import MASK, Span

__all__ = ["OwnSecrets", "own_secrets", "process_secrets", "remember_secrets"]

_SHORTEST = 4
_LONGEST_WORD = 8
# Shells name their working folder as others do a password.
_FOLDER = pattern(r"(?:OLD)?PWD=/")
_PASSWORD = pattern(r"://[^\s:@/]*:([^\s@]+)@")


class OwnSecrets(NamedTuple):
    """Secrets in every form that is searched for, and one pattern that matches all."""

    forms: tuple[str, ...]
    pattern: re.Pattern[str]

    def forms_in(self, text: str) -> list[str]:
        """Return the forms that are in the text."""
        return [form for form in self.forms if form in text]

    def spans(self, text: str) -> Iterator[Span]:
        """Yield where the secrets stand, in whatever form."""
        if self.forms_in(text):
            for found in self.pattern.finditer(text):
                yield Span(found.start(), found.end(), "known secret")

    def without(self, text: str) -> str:
        """Return the text without the secrets, in whatever form."""
        return self.pattern.sub(MASK, text) if self.forms_in(text) else text


@lru_cache(maxsize=16)
def own_secrets(secrets: tuple[str, ...]) -> OwnSecrets:
    """Return what to search for; secrets of fewer than four characters are ignored."""
    written = {form for secret in secrets for form in _forms(secret) if len(form) >= _SHORTEST}
    encoded = {form for secret in secrets for form in _encoded(secret)}
    expressions = {form: _expression(form) for form in written}
    expressions.update({form: re.escape(form) for form in encoded})
    ordered = tuple(sorted(expressions, key=len, reverse=True))
    return OwnSecrets(ordered, pattern("|".join(expressions[form] for form in ordered)))


def _expression(form: str) -> str:
    """Return what matches a form; short ones as whole words, for "test" is in "latest"."""
    found = re.escape(form)
    if len(form) > _LONGEST_WORD:
        return found
    if re.match(r"\w", form):
        found = rf"(?:(?<!\w)|(?<=\\[nrt])|(?<=%[0-9A-F]{{2}})){found}"
    return rf"{found}(?!\w)" if re.search(r"\w\Z", form) else found


_remembered: dict[str, None] = {}
_MOST_REMEMBERED = 200


def remember_secrets(values: Mapping[str, str]) -> None:
    """Keep values by name that this process has read from a store of secrets out of mails.

    Those that are no secrets by their names and looks, such as a user's name, are not kept.
    """
    for name, value in values.items():
        if is_secret(stored_secrecy(name), value):
            _remembered[value] = _remembered.pop(value, None)
    for value in list(_remembered)[:-_MOST_REMEMBERED]:
        del _remembered[value]


def process_secrets() -> tuple[str, ...]:
    """Return the secrets this process was given in its environment, and those it has read."""
    global _searched
    # As the system has it: os.environ decodes each name and value whenever it is asked.
    data = dict(getattr(os.environ, "_data", os.environ))
    known, named = _searched
    if data != known:
        named = tuple(it for pair in os.environ.items() for it in _secrets_of(*pair))
        _searched = data, named
    return (*named, *_remembered)


_searched: tuple[dict[Any, Any], tuple[str, ...]] = {}, ()


def _secrets_of(name: str, value: str) -> Iterator[str]:
    """Yield a variable's value if its name says that it is secret, or an address's password."""
    if not _FOLDER.match(f"{name}={value}") and is_secret(secrecy_of(name), value):
        yield value
    elif (login := _PASSWORD.search(value)) and is_random(login[1]):
        yield login[1]


def _forms(secret: str) -> Iterator[str]:
    """Yield the forms in which a secret turns up in messages and tracebacks."""
    if len(secret) < _SHORTEST:
        return
    unified = secret.replace("\r\n", "\n")
    encoded, in_json = quote(secret, safe="", errors="replace"), json.dumps(secret)[1:-1]
    yield from (secret, unified, secret.strip())
    yield from (encoded, quote(encoded), html.escape(encoded))
    yield re.sub("%[0-9A-F]{2}", lambda it: it[0].lower(), encoded)
    yield from (quote(secret, errors="replace"), quote_plus(secret, errors="replace"))
    yield from (html.escape(secret), html.escape(secret, quote=False))
    yield from (in_json, json.dumps(in_json)[1:-1])
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield from (repr(secret)[1:-1], repr(secret.encode("utf-8", "surrogatepass"))[2:-1])
    yield from (line for line in unified.split("\n") if len(line) >= 20)


def _encoded(secret: str) -> Iterator[str]:
    """Yield the forms that stand within longer ones, as in base64."""
    if len(secret) < _SHORTEST:
        return
    data = secret.encode("utf-8", "surrogatepass")
    yield from (data.hex(), data.hex().upper())
    for offset in range(3):
        # The characters of base64 that depend on this secret alone, wherever in the
        # encoded data it stands (as in AUTH PLAIN, "\0user\0password").
        first, last = -(-offset * 8 // 6), (offset + len(data)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            core = encode(bytes(offset) + data).decode("ascii")[first:last]
            if len(core) >= 8:
                yield core
