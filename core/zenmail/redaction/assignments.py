"""Secrets whose name stands beside them in a text: ``password=...`` in its many spellings."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from itertools import islice
from typing import Final

from ..patterns import pattern
from .looks import is_empty, is_random, is_word
from .names import Secrecy, is_secret, presumed_secrecy
from .spans import MASK, Span

__all__ = ["CLUES", "folded", "named_spans"]

# In a text, a name is looked at only around one of these.
CLUES: Final = (
    *("pass", "pw", "secret", "token", "key", "auth", "cred", "cookie", "connection"),
    *("connstr", "jwt", "_pat", "sig=", "signature=", "code="),
)
# In lower case. It takes in the rest of the name, so that no name is looked at twice.
_NAME = pattern(
    r"(?:pass|pw|secret|token|key|auth|cred|cookie|connection|connstr|jwt|pat(?![a-z])"
    r"|sig(?:nature)?(?==)|code(?==))[\w-]*(?:\.[\w-]+)*"
)
_NAME_CHARACTERS = string.ascii_letters + string.digits + "_.-"
# name: value, as containers and templates write their settings, with up to three more.
_FIELD = (
    r"[\"']?[ ]?(?:,\s{0,40}|\s{1,40})(?:[\"']?[A-Za-z_]{1,20}[\"']?[ \t]?[:=][ \t]?[\"']?"
    r"[\w -]{0,40}[\"']?(?:,\s{0,40}|\s{1,40})){0,3}?"
    r"[\"']?\w{0,20}[vV]alue[\"']?[ \t]{0,4}[:=][ \t]{0,4}|</[a-z]{1,20}>\s{0,40}<value>"
)
_BEHIND_NAME = pattern(
    r"(?P<sign>[\\\"'\]]{0,4}[ \t]{0,16}(?:=>|:=|==?|%3[AD]|:|>(?:\s{0,40}<value>)?"
    r"|(?P<cell>[|\u2502]))[ \t]{0,8})"
    rf"|(?P<field>{_FIELD})"
    r"|(?P<gap>[ \t]{1,24})(?P<said>->[ ]|[A-Za-z]{1,20}[ \t]{2,24}"
    r"|(?:[a-z]{1,12}[ ]){0,3}?(?:(?:provided|used)(?:[ ](?:is|was))?|is|was|of|with"
    r"|[\w@.-]{1,40}(?=:[ ])):?[ ])?"
    # ... its neighbour in a list, as in a command's arguments and in pairs of headers
    r"|(?P<comma>[\"'][ ]?,\s{0,20})"
)
_VALUE_BEFORE_NAME = pattern(
    r"alue[\"']?[ ]?[:=][ ]?(?P<mark>[\"'])(?P<secret>[^\"'\n]{1,512})(?P=mark),\s{0,20}"
    r"[\"']?(?:\w{0,20}[nN]ame|[kK]ey)[\"']?[ ]?[:=][ ]?[\"'](?P<name>[\w.-]{1,100})"
)
_PAIR_BEFORE = pattern(r"[(\[][ ]?[bBuU]?([\"'])[\w.-]*\Z")
_PAIR_BEHIND = pattern(r"[\"'][ ]?(?:,[ ]?(?:True|False|None|\d+))?,?[ ]?[)\]]")
_FLAG_BEFORE = pattern(r"[bBuU]?([\"'])--[\w.-]*\Z")
_HEADER = pattern(r"[\w.]*-[\w.-]*|(?:proxy)?authorization|(?:set)?cookie", re.IGNORECASE)
# In a line of code: password: Optional[str] = "..."
_ANNOTATION = pattern(
    r"[A-Za-z_][A-Za-z_.]{0,40}(?:\[[\w.\[\], |]{1,60}\])?(?: \| [\w.]{1,40}){0,3}"
    r"[ \t]?=[ \t]?(?=[bBuUrRfF]{0,2}[\"'])"
)
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_BRACKETS_AND_QUOTES = pattern(r"\\.|[\"'()\[\]{}]", re.DOTALL)
_QUOTE = pattern(r"[\"']")
_QUOTED = pattern(r"([\"'])((?:\\.|(?!\1)[^\\])*)\1", re.DOTALL)
_QUOTED_LAST = pattern(r"([\"'])(?P<secret>(?:\\.|(?!\1)[^\\])+)\1\s*,?\s*\Z", re.DOTALL)
_PIECE = pattern(r"[^\s\"'\\,;:=()\[\]{}|]{6,200}")
_GOES_ON = pattern(r"[^\s,;:.)\]}\"']")
_SCHEME = pattern(
    r"(?:bearer|basic|token|digest|apikey|api-key|negotiate|splunk)[ \t]+", re.IGNORECASE
)
_OPENING = pattern(r"(?P<f>[bBuUrRfF]{0,2})(?P<mark>\\{0,3}[\"'])")
_BARE = pattern(
    r"(?:[^\s\"'<,;&?)}\]|\u2502]"
    r"|[,;&?)}\]](?![\s,;)}\]&\"']|\Z|[\w-]{1,40}=)|<(?![/a-zA-Z!]))+"
)
_PLACEHOLDER = pattern(r"\{\{|\$\{|\$\(|<|%\(")
_IDENTIFIER = pattern(r"[A-Za-z_][\w.]*(?:[(\[]|\Z)")
_PHRASE = pattern(r"[^\W\d_]+(?:[ -](?:[^\W\d_]+|\d{1,4})){2,9}(?=[ \t]*(?:[\r\n]|\Z))")
# What sentences have and passphrases have not.
_SENTENCE = pattern(
    r"(?:^|[ -])(?:an?|and|are|as|at|be|by|can|cannot|did|do|does|for|from|has|have|if|in|is|it"
    r"|must|no|not|of|on|only|or|should|than|that|the|this|to|too|was|will|with|your|\w+ed"
    r"|\w+ing|characters?|digits?|days?|invalid|wrong|mismatch)(?![^ -])",
    re.IGNORECASE,
)
# YAML, 8.1: a text over several lines, as far as they are indented.
_BLOCK = pattern(
    r"[|>][-+0-9]{0,2}[ \t]*(?:(?<=[ \t])#[^\n]{0,200})?\r?\n"
    r"(?:[ \t]{0,80}\r?\n){0,20}(?P<indent>[ \t]+)(?=\S)"
)
_ITEMS = pattern(r"[ \t]*\r?\n(?P<items>(?:[ \t]*-[ \t]+[^\s:]{6,}[ \t]*(?:\r?\n|\Z)){1,50})")
_FOLDER = pattern(r"(?:[bBuUrRfF]{0,2}\\{0,3}[\"'])?[/~]")
_MASKED = pattern(rf"(?:[\w./-]{{1,24}}\.\.\.)?{re.escape(MASK)}")
_IN_URL = pattern(r"(?:x-(?:amz|goog)-)?(?:sig|signature|key|code)", re.IGNORECASE)
_OF_DOORS = pattern(
    r"(?:api|access|account|admin|encryption|license|master|private|secret|service|shared"
    r"|signing|storage|subscription|wandb)[ ]\Z",
    re.IGNORECASE,
)
_LONG_RUN = pattern(r"[A-Za-z0-9+/]{12}")
_UUID = pattern(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_ESCAPED = pattern(r"(?<!\\)(?:\\\\)*\\\Z")
_CELLS = pattern(r"[^\s|\u2502](?:[^|\u2502\n]{0,510}[^\s|\u2502])?")
_LONGEST_VALUE = 8192
# What a long value begins with tells what it is.
_JUDGED = 200
_LONGEST_LIST = 4000


def folded(text: str) -> str:
    """Return the text in lower case, with every character in its place."""
    lowered = text.lower()
    if len(lowered) != len(text):  # one character became two
        lowered = "".join(character.lower()[0] for character in text)
    return lowered


def named_spans(text: str) -> Iterator[Span]:
    """Yield where values of secret names stand."""
    search = _Search(text)
    done = 0
    # Logs repeat themselves: what was innocent between the same words still is.
    innocent: set[tuple[str, int]] = set()
    for name in _NAME.finditer(folded(text)):
        start, end = name.span()
        if end <= done:
            continue
        begin = max(0, start - 70)
        context = text[begin : end + 2 * _JUDGED], start - begin
        if context in innocent:
            continue
        if found := search.value(start, end):
            yield Span(*found, "named value")
            done = found[1]
        elif not search.looked_far and len(innocent) < 1000:
            innocent.add(context)
    for pair in _VALUE_BEFORE_NAME.finditer(text) if "alue" in text else ():
        if is_secret(presumed_secrecy(pair["name"]), pair["secret"]) and MASK not in pair[0]:
            yield Span(pair.start("secret"), pair.end("secret"), "named value")


class _Search:
    """Finds what names announce in one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        # Up to here, no bracket holds anything secret.
        self._harmless = 0
        # Where the last value without quotation marks ends, as those do that begin within it.
        self._bare_end = 0
        # Whether more was looked at than `_JUDGED` characters behind the last name.
        self.looked_far = False

    def value(self, start: int, end: int) -> tuple[int, int] | None:
        """Return where the secret stands that the name around ``start`` announces, or None."""
        text = self._text
        self.looked_far = False
        behind = _BEHIND_NAME.match(text, end)
        if behind is None:
            return None
        before = text[max(0, start - 64) : start]
        start -= len(before) - len(before.rstrip(_NAME_CHARACTERS))
        name, before = text[start:end], text[max(0, start - 4) : start]
        secrecy = presumed_secrecy(name)
        if before[-1:] in ("?", "&", ";") and _IN_URL.fullmatch(name):
            secrecy = "if-random"
        elif secrecy == "if-opaque" and before[-1:] == " " and before[-2:-1].isalnum():
            # "cache key: ..." opens nothing.
            secrecy = "if-random" if _OF_DOORS.search(text, max(0, start - 20), start) else ""
        sign = behind["sign"]
        # arn:aws:secretsmanager:...:secret:name
        if not secrecy or sign == ":" == before[-1:]:
            return None
        if behind["comma"]:
            return self._neighbour(start, behind, name, secrecy)
        position = behind.end()
        if behind["gap"]:
            if not name.startswith("--"):
                return None if before[-1:] == "=" else self._told(position, secrecy)
            position = behind.end("gap")
        if behind["cell"]:
            return self._cell(position, secrecy)
        if sign and ":" in sign and (annotation := _ANNOTATION.match(text, position)):
            position = annotation.end()
        if _MASKED.match(text, position):
            return None
        self.looked_far = True
        if (block := _indented_below(text, position)) is not None:
            shown = text[slice(*block)]
            secret = secrecy == "any-text" or _holds_random(shown)
            return block if secret and not _MASKED.fullmatch(shown) else None
        if (items := _ITEMS.match(text, position)) and sign and sign.endswith(":"):
            for item in re.finditer(r"[^\s-]\S+", items["items"]):
                if is_secret(secrecy, item[0]):
                    return items.start("items") + item.start(), items.end("items") - 1
            return None
        if text[position : position + 1] in _CLOSING and not _PLACEHOLDER.match(text, position):
            if position < self._harmless:
                return None
            if (listed := self._inside_brackets(position, name, secrecy)) != _NO_LIST:
                return listed
        self.looked_far = False
        if name.lower() in ("pwd", "oldpwd") and _FOLDER.match(text, position):
            return None
        if opening := _OPENING.match(text, position):
            return self._quoted(opening, secrecy)
        if name.lower().lstrip("-").endswith(("authorization", "cookie")) and ":" in (
            sign or ""
        ):
            return self._header(position)
        return self._bare(position, secrecy, name, sign or "", before)

    def _quoted(self, opening: re.Match[str], secrecy: Secrecy) -> tuple[int, int] | None:
        """Return where a value in quotation marks stands, if it is secret."""
        text = self._text
        end = _closing(text, opening.end(), opening["mark"])
        begin = _past_scheme(text, opening.end(), end)
        if "f" in opening["f"].lower() and "{" in text[begin:end]:
            return None
        return (begin, end) if is_secret(secrecy, text[begin:end]) else None

    def _header(self, position: int) -> tuple[int, int] | None:
        """Return where the value of a header stands, which takes up the line."""
        self.looked_far = True
        if position < self._harmless:
            return None
        text = self._text
        begin = _past_scheme(text, position)
        end = _line_end(text, begin)
        while end > begin and text[end - 1] in " \t\"'":
            end -= 1
        if _holds_random(text[begin:end]):
            return begin, end
        self._harmless = end
        return None

    def _cell(self, position: int, secrecy: Secrecy) -> tuple[int, int] | None:
        """Return where the first secret stands in the rest of a table's row."""
        text = self._text
        cells = _CELLS.finditer(text, position, _line_end(text, position, 1000))
        for cell in islice(cells, 4):
            if is_secret(secrecy, cell[0]) and not _MASKED.match(cell[0]):
                if secrecy == "any-text" and is_word(cell[0]) and cell.start() > position:
                    continue
                return cell.span()
        return None

    def _run(self, position: int) -> tuple[int, int]:
        """Return where a value without quotation marks stands."""
        text = self._text
        if position >= self._bare_end:
            bare = _BARE.match(text, position, position + _LONGEST_VALUE)
            self._bare_end = bare.end() if bare else position
        end = self._bare_end
        while end > position and text[end - 1] in ".:":
            end -= 1
        return position, end

    def _bare(
        self, position: int, secrecy: Secrecy, name: str, sign: str, before: str
    ) -> tuple[int, int] | None:
        """Return where a secret value without quotation marks stands."""
        text = self._text
        begin, end = self._run(_past_scheme(text, position))
        secret = text[begin : min(end, begin + _JUDGED)]
        if secrecy == "any-text" and sign and (phrase := _PHRASE.match(text, begin)):
            return None if _SENTENCE.search(phrase[0]) else phrase.span()
        if not is_secret(secrecy, secret) or _MASKED.match(secret):
            return None
        if secret.rpartition(".")[2].lower() == name.lower():
            return None
        if secrecy == "any-text" and not is_random(secret):
            # An argument or an attribute in a line of code, the next word of a sentence.
            code = before[-1:] in ("(", " ") or text[end : end + 1] in (")", ",", "(", "[")
            named = "_" in secret or "." in secret or secret.lower() == name.lower()
            if _IDENTIFIER.match(secret) and (code or named) and is_word(secret):
                return None
            if secret.isdigit() and len(secret) < 4:
                return None
            if ":" in sign and text[end : end + 1] not in ("", "\n", "\r", ","):
                return None
        return begin, end

    def _told(self, position: int, secrecy: Secrecy) -> tuple[int, int] | None:
        """Return where a value stands that a sentence or a table names, if it is random."""
        text = self._text
        opening = _OPENING.match(text, position)
        if opening:
            begin, end = opening.end(), _closing(text, opening.end(), opening["mark"])
        else:
            begin, end = self._run(position)
        secret = text[begin:end]
        least = 8 if secrecy == "any-text" else 16 if opening else 20
        if len(secret) < least or "(" in secret or "=" in secret.rstrip("="):
            return None
        if "{" in secret or _UUID.fullmatch(secret) or not is_random(secret):
            return None
        # The names of Kubernetes' objects are random to some degree.
        if secrecy != "any-text" and not _LONG_RUN.search(secret):
            return None
        return (begin, end) if is_secret(secrecy, secret) else None

    def _neighbour(
        self, start: int, behind: re.Match[str], name: str, secrecy: Secrecy
    ) -> tuple[int, int] | None:
        """Return where the secret stands that is in a list beside its name, or None."""
        text = self._text
        opening = _OPENING.match(text, behind.end())
        if opening is None:
            return None
        begin, end = opening.end(), _closing(text, opening.end(), opening["mark"])
        before, secret = text[max(0, start - 6) : start] + name, text[begin:end]
        if "f" in opening["f"].lower() and "{" in secret:
            return None
        flag = _FLAG_BEFORE.search(before)
        pair = flag or _PAIR_BEFORE.search(before)
        if pair is None or pair[1] != behind["comma"][0] or secret[:1] in ("", "-"):
            return None
        if not flag:
            # Columns and their types, steps and their estimators come in pairs, too.
            header = _HEADER.fullmatch(name) and " " in secret
            if not _PAIR_BEHIND.match(text, end) or not (header or is_random(secret)):
                return None
        begin = _past_scheme(text, begin, end)
        return (begin, end) if is_secret(secrecy, text[begin:end]) else None

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
        goes_on = not inner.strip() and _GOES_ON.match(text, end + 1)
        if closed and not inner.strip() and not goes_on:
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
        if not closed or goes_on:
            return _NO_LIST
        texts = [found[1] for found in _QUOTED.findall(inner)]
        # Names of secrets are what the reader needs.
        told = secrecy == "any-text" and ":" not in inner and texts
        if told and not all(is_empty(it) or presumed_secrecy(it) or it == MASK for it in texts):
            return position + 1, end
        return None


_NO_LIST = (-1, -1)


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
    return start, start + len(text[start:end].rstrip())


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
    while at > 0 and len(mark) == 1 and _ESCAPED.search(text, max(position, at - 64), at):
        at = text.find(mark, at + 1, stop)
    return at if at >= 0 else stop


def _line_end(text: str, position: int, most: int = _LONGEST_VALUE) -> int:
    end = text.find("\n", position, position + most)
    return end if end >= 0 else min(len(text), position + most)
