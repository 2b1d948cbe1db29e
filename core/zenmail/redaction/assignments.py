"""Secrets whose name stands before them in a text: ``password=...`` in its many spellings.

Every search is linear in the text.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence

from .looks import is_empty, is_random, is_word
from .names import Secrecy, is_secret, secrecy_of
from .own_secrets import MASK
from .shapes import any_of

__all__ = ["without_assignments", "words_in"]

# In a text, a name is looked at only around one of these.
_WORDS = (
    "pass",
    "pwd",
    "pw",
    "secret",
    "token",
    "key",
    "auth",
    "cred",
    "cookie",
    "connection",
    "connstr",
    "jwt",
    "_pat",
    "sig=",
    "signature=",
    "code=",
)
_ASSIGNMENT = re.compile(
    r"(?P<word>passw|passphrase|passcode|pwd|pass|pw|secret|token|key|auth|cred|cookie"
    r"|connection|connstr|jwt|_pat(?=[=:\"' ])|signature|sig|code(?==))"
    r"(?P<rest>[\w-]{0,40})"
    r"(?P<between>[\\\"'\]]{0,4}[ \t]{0,16}(?:=>|:=|==?|:|(?P<cell>[|\u2502]))[ \t]{0,8}"
    r"|(?P<gap>[ \t]{1,24}(?:(?:provided|is|was|of|with):?[ ])?)"
    # ... {"name": "PASSWORD", "type": "...", "value": "..."}, as containers are given them
    r"|[\"']?[ ]?,?\s{1,40}(?:[\"']?[A-Za-z_]{1,20}[\"']?[ \t]?[:=][ \t]?"
    r"[\"']?[\w -]{0,40}[\"']?,?\s{1,40}){0,3}?[\"']?[vV]alue[\"']?[ \t]{0,4}[:=][ \t]{0,4}"
    r"|[\"'],[\"'][vV]alue[\"']:"
    # ... its neighbour in a list, as in a command's arguments and in pairs of headers
    r"|(?P<comma>[\"'][ ]?,\s{0,20}))",
    re.IGNORECASE,
)
_NAME_CHARACTERS = string.ascii_letters + string.digits + "_.-"
_PAIR_BEFORE = re.compile(r"[(\[][ ]?[bBuU]?([\"'])[\w.-]*\Z")
_PAIR_BEHIND = re.compile(r"[\"'][ ]?(?:,[ ]?(?:True|False|None|\d+))?,?[ ]?[)\]]")
_FLAG_BEFORE = re.compile(r"[bBuU]?([\"'])--[\w.-]*\Z")
_HEADER = re.compile(r"[\w.]*-[\w.-]*|(?:proxy)?authorization|(?:set)?cookie", re.IGNORECASE)
# In a line of code: password: Optional[str] = "..."
_ANNOTATION = re.compile(
    r"[A-Za-z_][A-Za-z_.]{0,40}(?:\[[\w.\[\], |]{1,60}\])?(?: \| [\w.]{1,40}){0,3}"
    r"[ \t]?=[ \t]?(?=[bBuUrRfF]{0,2}[\"'])"
)
_BRACKETS_AND_QUOTES = re.compile(r"\\.|[\"'()\[\]{}]", re.DOTALL)
_LONGEST_LIST = 4000
_QUOTE = re.compile(r"[\"']")
_QUOTED = re.compile(r"([\"'])((?:\\.|(?!\1)[^\\])*)\1", re.DOTALL)
_QUOTED_LAST = re.compile(r"([\"'])(?P<secret>(?:\\.|(?!\1)[^\\])+)\1\s*,?\s*\Z", re.DOTALL)
_PIECE = re.compile(r"[^\s\"'\\,;:=()\[\]{}|]{6,200}")
_GOES_ON = re.compile(r"[^\s,;:.)\]}\"']")
_SCHEME = re.compile(r"(?:bearer|basic|token|digest|apikey|api-key|negotiate)[ \t]+", re.I)
_OPENING = re.compile(r"(?P<f>[bBuUrRfF]{0,2})(?P<mark>\\{0,3}[\"'])")
_BARE = re.compile(
    r"(?:[^\s\"'<,;&)}\]|\u2502]|[,;&)}\]](?![\s,;)}\]&\"']|\Z|[\w-]{1,40}=)|<(?![/a-zA-Z!]))+"
)
_PLACEHOLDER = re.compile(r"\{\{|\$\{|\$\(|<|%\(")
_IDENTIFIER = re.compile(r"[A-Za-z_][\w.]*(?:[(\[]|\Z)")
# YAML, 8.1: a text over several lines, as far as they are indented.
_BLOCK = re.compile(
    r"[|>][-+0-9]{0,2}[ \t]*(?:(?<=[ \t])#[^\n]{0,200})?\r?\n"
    r"(?:[ \t]{0,80}\r?\n){0,20}(?P<indent>[ \t]+)(?=\S)"
)
_ITEMS = re.compile(
    r"[ \t]*\r?\n(?P<items>(?:[ \t]*-[ \t]+[^\s:]{6,}[ \t]*(?:\r?\n|\Z)){1,50})"
)
_FOLDER = re.compile(r"(?:[bBuUrRfF]{0,2}\\{0,3}[\"'])?[/~]")
_MASKED = re.compile(rf"(?:[\w./-]{{1,24}}\.\.\.)?{re.escape(MASK)}")
_IN_URL = re.compile(r"(?:x-(?:amz|goog)-)?(?:sig|signature|key|code)", re.IGNORECASE)
_LONGEST_VALUE = 8192


def words_in(text: str, words: Sequence[str] = _WORDS) -> list[str]:
    """Return the words of secret names that are in the text, in whatever case."""
    return any_of(words, _folded(text))


def _folded(text: str) -> str:
    """Return the text in lower case, with every character in its place."""
    lowered = text.lower()
    if len(lowered) != len(text):  # one character became two
        lowered = "".join(character.lower()[0] for character in text)
    return lowered


def _places(text: str) -> list[int]:
    """Return where `_WORDS` are in the text, in order."""
    lowered = _folded(text)
    places: list[int] = []
    for word in any_of(_WORDS, lowered):
        place = lowered.rfind(word)
        while place >= 0:
            places.append(place)
            place = lowered.rfind(word, 0, place + len(word) - 1)
    places.sort()
    return places


def without_assignments(text: str) -> tuple[str, int]:
    """Return the text without the values of secret names, and how many there were."""
    search = _Search(text)
    count = 0
    pieces: list[str] = []
    done = position = 0
    for place in _places(text):
        match = _ASSIGNMENT.match(text, place) if place >= position else None
        if match is None:
            continue
        position = match.end("word")
        found = search.value(match)
        if found is None or found[0] < done:
            continue
        start, end = found
        count += 1
        pieces += (text[done:start], MASK)
        done = position = end
    pieces.append(text[done:])
    return "".join(pieces), count


class _Search:
    """Finds what names announce in one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        # Up to here, no bracket holds anything secret.
        self._harmless = 0

    def value(self, match: re.Match[str]) -> tuple[int, int] | None:
        """Return where the secret stands that a name announces, or None."""
        text, start = self._text, match.start("word")
        before = text[max(0, start - 64) : start]
        lead = before[len(before.rstrip(_NAME_CHARACTERS)) :]
        name = lead.rpartition(".")[2] + match["word"] + match["rest"]
        secrecy = secrecy_of(name)
        between, position = match["between"], match.end()
        before_name = text[max(0, start - len(lead) - 4) : start - len(lead)]
        if name.lower() == "key" and before_name.lower() == "api ":
            secrecy = "if-random"
        if not secrecy:
            if before_name[-1:] not in ("?", "&", ";") or not _IN_URL.fullmatch(name):
                return None
            secrecy = "if-random"
        if between == ":" == before_name[-1:]:  # arn:aws:secretsmanager:...:secret:name
            return None
        if match["comma"]:
            return _neighbour(text, match, name, secrecy)
        if match["gap"] and not lead.startswith("--"):
            return self._told(position, secrecy)
        if annotation := _ANNOTATION.match(text, position) if ":" in between else None:
            position = annotation.end()
        if _MASKED.match(text, position):
            return None
        if (block := _indented_below(text, position)) is not None:
            if secrecy == "if-random" and not _holds_random(text[slice(*block)]):
                return None
            return None if _MASKED.fullmatch(text[slice(*block)]) else block
        if items := _ITEMS.match(text, position) if between.endswith(":") else None:
            found = next((it for it in items["items"].split() if is_secret(secrecy, it)), None)
            at = text.find(found, items.start("items")) if found else -1
            return (at, items.end("items") - 1) if at >= 0 else None
        if text[position : position + 1] in _CLOSING and not _PLACEHOLDER.match(text, position):
            if position < self._harmless:
                return None
            listed = self._inside_brackets(position, name, secrecy)
            if listed != _NO_LIST:
                return listed
        if name.lower() in ("pwd", "oldpwd") and _FOLDER.match(text, position):
            return None
        if opening := _OPENING.match(text, position):
            end = _closing(text, opening.end(), opening["mark"])
            begin = _past_scheme(text, opening.end(), end)
            if "f" in opening["f"].lower() and "{" in text[begin:end]:
                return None
            secret = text[begin:end]
            return (begin, end) if is_secret(secrecy, secret) else None
        whole_line = name.lower().lstrip("-").endswith(("authorization", "cookie"))
        if whole_line and ":" in between:
            if position < self._harmless:
                return None
            begin = _past_scheme(text, position)
            end = _line_end(text, begin)
            while end > begin and text[end - 1] in " \t\"'":
                end -= 1
            if _holds_random(text[begin:end]):
                return begin, end
            self._harmless = end
            return None
        return self._bare(position, secrecy, name, between, before_name)

    def _bare(
        self, position: int, secrecy: Secrecy, name: str, between: str, before_name: str
    ) -> tuple[int, int] | None:
        """Return where a value without quotation marks stands."""
        text = self._text
        begin = _past_scheme(text, position)
        bare = _BARE.match(text, begin, begin + _LONGEST_VALUE)
        if bare is None:
            return None
        end = bare.end()
        while end > begin and text[end - 1] in ".:":
            end -= 1
        secret = text[begin:end]
        if not is_secret(secrecy, secret) or _MASKED.match(secret):
            return None
        if secret.rpartition(".")[2].lower() == name.lower():
            return None
        if secrecy == "any-text" and not is_random(secret):
            # An argument or an attribute in a line of code, the next word of a sentence.
            code = before_name[-1:] in ("(", " ") or text[end : end + 1] in (")", ",", "(", "[")
            named = "_" in secret or "." in secret or secret.lower() == name.lower()
            if _IDENTIFIER.match(secret) and (code or named) and is_word(secret):
                return None
            if secret.isdigit() and len(secret) < 4:
                return None
            if ":" in between and text[end : end + 1] not in ("", "\n", "\r", ","):
                return None
        return begin, end

    def _told(self, position: int, secrecy: Secrecy) -> tuple[int, int] | None:
        """Return where a value stands that a sentence or a table names, if it is random."""
        text = self._text
        opening = _OPENING.match(text, position)
        begin = opening.end() if opening else position
        end = _closing(text, begin, opening["mark"]) if opening else position
        if not opening and (bare := _BARE.match(text, position, position + _LONGEST_VALUE)):
            end = bare.end()
            while end > begin and text[end - 1] in ".:":
                end -= 1
        secret = text[begin:end]
        if opening and "f" in opening["f"].lower() and "{" in secret:
            return None
        least = 8 if opening else 20
        if len(secret) < least or "(" in secret or "=" in secret.rstrip("="):
            return None
        return (begin, end) if is_secret(secrecy, secret) and is_random(secret) else None

    def _inside_brackets(
        self, position: int, name: str, secrecy: Secrecy
    ) -> tuple[int, int] | None:
        """Return where the secrets of a list or a mapping stand.

        Returns:
            Beginning and end; None when there are none; `_NO_LIST` when the value is neither,
            but begins with a bracket.
        """
        text = self._text
        end = _matching(text, position)
        inner = text[position + 1 : end]
        if _MASKED.fullmatch(inner.strip()):
            return None
        closed = text[end : end + 1] == _CLOSING[text[position]]
        if closed and not inner.strip() and not _GOES_ON.match(text, end + 1):
            return None
        if not closed and not _QUOTE.search(inner, 0, 200) and not _holds_random(inner[:400]):
            self._harmless = position + 1 + min(len(inner), 400)
            return _NO_LIST
        if closed and text[position] == "(" and name.lower().endswith(("auth", "auths")):
            last = _QUOTED_LAST.search(inner)
            if last is None:
                return (position + 1, end) if _holds_random(_QUOTED.sub("", inner)) else None
            if not is_secret("any-text", last["secret"]):
                return None
            return position + 1 + last.start("secret"), position + 1 + last.end("secret")
        if _holds_random(inner.replace(MASK, "")):
            return position + 1, end
        self._harmless = end
        if not closed or (not inner.strip() and _GOES_ON.match(text, end + 1)):
            return _NO_LIST
        texts = [found[1] for found in _QUOTED.findall(inner)]
        # Names of secrets are what the reader needs.
        told = secrecy == "any-text" and ":" not in inner and texts
        if told and not all(is_empty(it) or secrecy_of(it) or it == MASK for it in texts):
            return position + 1, end
        return None


def _holds_random(text: str) -> bool:
    return any(map(is_random, _PIECE.findall(text)))


def _past_scheme(text: str, position: int, end: int | None = None) -> int:
    """Return where the value begins, behind a word such as "Bearer" if there is one."""
    found = _SCHEME.match(text, position, len(text) if end is None else end)
    return found.end() if found else position


def _indented_below(text: str, position: int) -> tuple[int, int] | None:
    """Return where the lines of a text stand that YAML's ``|`` or ``>`` begins, or None."""
    block = _BLOCK.match(text, position)
    if block is None:
        return None
    key = text[text.rfind("\n", 0, position) + 1 : position]
    margin = len(key) - len(key.lstrip(" \t-"))
    if len(block["indent"]) <= margin:
        return None
    start = block.end()
    end = following = _line_end(text, start, len(text))
    while following < len(text):
        begin = following + 1
        following = _line_end(text, begin, len(text))
        line = text[begin:following].rstrip()
        if line:
            if len(line) - len(line.lstrip(" \t")) <= margin:
                break
            end = begin + len(line)
    while text[end - 1] in " \t\r":
        end -= 1
    return start, end


def _neighbour(
    text: str, match: re.Match[str], name: str, secrecy: Secrecy
) -> tuple[int, int] | None:
    """Return where the secret stands that is in a list beside its name, or None."""
    before = text[max(0, match.start("word") - 70) : match.start("word")]
    opening = _OPENING.match(text, match.end())
    if opening is None:
        return None
    begin = opening.end()
    end = _closing(text, begin, opening["mark"])
    secret = text[begin:end]
    if "f" in opening["f"].lower() and "{" in secret:
        return None
    flag = _FLAG_BEFORE.search(before)
    pair = flag or _PAIR_BEFORE.search(before)
    if pair is None or pair[1] != match["comma"][0] or not secret or secret.startswith("-"):
        return None
    if not flag:
        if not _PAIR_BEHIND.match(text, end):
            return None
        # Columns and their types, steps and their estimators come in pairs, too.
        if not is_random(secret) and not (_HEADER.fullmatch(name) and " " in secret):
            return None
    begin = _past_scheme(text, begin, end)
    return (begin, end) if is_secret(secrecy, text[begin:end]) else None


_CLOSING = {"(": ")", "[": "]", "{": "}"}
_NO_LIST = (-1, -1)


def _matching(text: str, position: int) -> int:
    """Return where a bracket is closed, or the line's end when it is not, or far away."""
    open_brackets: list[str] = []
    quote = ""
    holds_texts = _QUOTE.search(text, position, position + 200)
    end = position + (_LONGEST_LIST if holds_texts else 400)
    for found in _BRACKETS_AND_QUOTES.finditer(text, position, end):
        mark = found[0]
        if quote:
            quote = "" if mark == quote else quote
        elif mark in "\"'":
            quote = mark
        elif mark in _CLOSING:
            open_brackets.append(_CLOSING[mark])
        elif open_brackets and mark == open_brackets[-1]:
            open_brackets.pop()
            if not open_brackets:
                return found.start()
    return _line_end(text, position)


def _closing(text: str, position: int, mark: str) -> int:
    """Return where a quoted value ends: at its mark, at the line's end, or at the limit."""
    limit = min(len(text), position + _LONGEST_VALUE)
    line = text.find("\n", position, limit)
    stop = line if line >= 0 else limit
    at = text.find(mark, position, stop)
    while at > 0 and len(mark) == 1 and _escaped(text, at, position):
        at = text.find(mark, at + 1, stop)
    return at if at >= 0 else stop


def _escaped(text: str, at: int, start: int) -> bool:
    backslashes = 0
    while at - 1 - backslashes >= start and text[at - 1 - backslashes] == "\\":
        backslashes += 1
        if backslashes > 64:
            break
    return backslashes % 2 == 1


def _line_end(text: str, position: int, most: int = _LONGEST_VALUE) -> int:
    end = text.find("\n", position, position + most)
    return end if end >= 0 else min(len(text), position + most)
