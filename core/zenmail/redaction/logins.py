"""What logs in without a name beside it: private keys, passwords in addresses and commands."""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Final, NamedTuple

from ..patterns import pattern
from .clues import NAME_CLUES, folded
from .looks import is_empty, is_mixed, is_random
from .spans import MASK, Span

__all__ = ["LOGIN_CLUES", "login_spans", "programs_in"]


class Login(NamedTuple):
    """A way to log in.

    Attributes:
        clues: Texts of which one stands wherever the login does, in lower case and separated
            by spaces.
        pattern: The login; its group "secret" is what is taken out.
        holds: Whether a match is one in fact.
    """

    clues: str
    pattern: str
    holds: Callable[[re.Match[str]], bool] = bool


class Command(NamedTuple):
    """What programs are given to log in with.

    Attributes:
        programs: What their names begin with, between bars; "login" stands for commands such as
            ``docker login``.
        option: What precedes the secret. "~" stands for what separates an option from its
            value, "@" for where a quotation mark may open.
    """

    programs: str
    option: str


def _is_basic(match: re.Match[str]) -> bool:
    """Whether it is base64 of ``user:password`` (RFC 7617)."""
    value = match["secret"]
    try:
        return b":" in base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False


def _is_database(match: re.Match[str]) -> bool:
    before = match.string[max(0, match.start() - 40) : match.start()]
    return _DATABASE.search(before) is not None


def _is_host(match: re.Match[str]) -> bool:
    return _HOST.search(match.string, max(0, match.start() - 80), match.start()) is not None


_HOST = pattern(r"(?:^|[\s\"'])[\w.*-]{1,64}\Z", re.MULTILINE)
_KEY_DATA = pattern(r"[A-Za-z0-9+/=]{16}")
_PRIVATE = "private"
_LONGEST_KEY = 8192
_DATABASE = pattern(
    r"(?i:postgres(?:ql)?|mysql|mariadb|mongodb|rediss?|amqps?|mssql|oracle|snowflake"
    r"|clickhouse|redshift|smtps?|imaps?|s?ftps?|ldaps?|mqtts?|kafka|nats)(?:\+\w{1,30})?\Z"
)
_QUOTED = (
    r"(?P<mark>\\?[\"'])"
    r"(?P<secret>(?:''|(?!(?P=mark))(?:\\[^\n]|[^\\\n])){1,512})(?P=mark)"
)
_WORD = r"(?P<mark>[\"']?)(?P<secret>[^\s\"'|$][^\s\"'|]{1,200})(?P=mark)"
# What is called with a text as its last argument.
_LAST_QUOTED = (
    r"\((?:[^()\n]|\([^()\n]{0,100}\)){0,300}?,\s{0,20}(?:password[ ]?=[ ]?)?[bBfFuUrR]?"
    + _QUOTED
    + r"[ ]?,?\s{0,20}\)"
)
_LOGINS = (
    Login(
        _PRIVATE,
        r"(?P<secret>-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        r"[\s\S]*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z))",
        lambda match: _KEY_DATA.search(match["secret"]) is not None,
    ),
    Login(
        "bearer",
        r"(?i:(?<![a-z])bearer[ \t]+)(?P<secret>[\w.~+/-]{8,}=*)",
        lambda match: len(match["secret"]) >= 24 or is_mixed(match["secret"]),
    ),
    Login(
        "basic",
        r"(?i:(?<![a-z])basic[ \t]+)(?P<secret>[A-Za-z0-9+/_-]{6,}={0,2})",
        _is_basic,
    ),
    # In the addresses of databases, passwords hold any character.
    Login(
        "://",
        r"://[^\s:@/\"'<>]{0,256}:(?P<secret>[^\s/\"'<>][^\s\"'<>]{0,511})@",
        _is_database,
    ),
    Login("://", r"://[^\s:@/?#\"'<>]{0,256}:(?!\d{1,5}\#|\])(?P<secret>[^\s/?\"'<>]{1,512})@"),
    Login(
        "://",
        r"://(?P<secret>[^\s:@/?#\"'<>\[]{16,256})(?::(?:x-oauth-basic)?)?@",
        lambda match: is_mixed(match["secret"]),
    ),
    # A line of PostgreSQL's password file.
    Login(
        ":*: :54 :64 :65",
        r":(?:\*|\d{4,5}):[^\s:]{1,63}:[^\s:]{1,63}:(?P<secret>[^\s\"']{4,128})",
        lambda match: is_random(match["secret"]) and _is_host(match),
    ),
    Login(
        "echo",
        r"\becho (?:-n )?" + _WORD + r" ?\| ?[^\n|]{0,60}"
        r"(?:--password-stdin|\bsudo\b[^\n|]{0,40} -S\b)",
    ),
    Login("<<<", r"(?:-S|stdin|with-token)\b[^\n<]{0,60}<<< ?" + _WORD),
    Login(
        "private-lines:",
        r"Private-Lines: \d{1,4}(?P<secret>(?:(?:\r?\n|\\n)[A-Za-z0-9+/=]{1,80})+)",
    ),
    Login(
        "login",
        r"(?:machine[ \t]{1,4}(?:localhost|[\w-]{1,63}(?:\.[\w-]{1,63}){1,8})|default)\s{1,9}"
        r"login\s{1,9}\S{1,256}\s{1,9}(?:account\s{1,9}\S{1,256}\s{1,9})?password\s{1,9}"
        r"(?P<secret>\S{1,512})",
    ),
    Login("auth(", r"(?:Basic|Digest|Proxy)Auth" + _LAST_QUOTED),
    Login(
        ".login(",
        r"\.login" + _LAST_QUOTED,
        lambda match: not match["secret"].startswith(("/", "http://", "https://")),
    ),
    Login(
        "secret",
        r"Secret(?P<kind>Str|Bytes)?(?:\[\w{1,40}\])?\(\s{0,20}[bBfFuUrR]?" + _QUOTED,
        lambda match: match["kind"] is not None or is_random(match["secret"]),
    ),
    Login("<cookie", r"<Cookie [^\s=>]{1,256}=(?P<secret>[^\s>]{1,4096})"),
    Login(
        "identified password",
        r"(?:IDENTIFIED (?:WITH \S{1,64} )?BY"
        r"|(?i:(?:create|alter) (?:user|role) [^\n]{1,200}?"
        r"(?:identified (?:with \S{1,64} )?by|password))) (?i:password )?" + _QUOTED,
    ),
)
_ARGUMENT = r"[^\s\"'\\,;|&<>$-][^\s\"'\\;|&]{0,511}"
_COMMANDS = (
    Command("curl", r"-[A-Za-z]{0,6}[uU]~?@[^\s:\"'/]{0,256}:(?!//)"),
    Command("curl", r"--(?:proxy-)?user~@[^\s:\"'/]{0,256}:(?!//)"),
    Command("curl", r"(?:--(?:proxy-)?cert|-E)~@[^\s:\"']{1,256}:(?![/\\])"),
    Command("login|sshpass", "-p~?@"),
    Command("twine|az ad|cqlsh|snowsql|airflow users|beeline|rabbitmqadmin|mongo", "-p~@"),
    Command("ssh-keygen", "-[NP]~@"),
    Command("mysql|mariadb|7z", "-p@"),
    Command("redis-cli", "-a~@"),
    Command("bcp|ipmitool|sqlcmd|mosquitto|zip|unzip", "-P~@"),
    Command("nuget push|openssl", "-k~@"),
    Command("lftp", r"-u~@[^\s,\"']{1,64},"),
    Command("keytool", "-(?:store|key)pass~@"),
    Command("sqlplus", r"[\w.-]{1,64}/@"),
    Command("kubectl create secret", r"--from-literal[= ][\w.-]{1,100}=@"),
    Command("mc alias set", r"\S{1,64}[ ]\S{1,256}[ ]\S{1,128}[ ]@"),
    Command("ldap", "-w~@"),
    Command("smbclient", r"-U~@[^\s%\"']{1,64}%"),
    Command("openssl", "-pass(?:in|out)?~@pass:"),
    Command(
        "htpasswd", r"-[a-z]{0,6}b[a-z]{0,6}[ \t]{1,4}(?:\S{1,256}[ \t]{1,4}){1,2}(?![ \t])@"
    ),
    Command("rclone", "(?<=obscure )@"),
    Command("login", "(?<=login )@(?=[A-Za-z0-9._-]{20,})"),
)
_PROGRAMS = frozenset(it for command in _COMMANDS for it in command.programs.split("|"))
# "docker login" and its like; for "page.login()" and "login failed" are no commands.
_LOGIN_PROGRAMS = "docker|podman|az|oc|cf|helm registry|wandb|vault|snyk|hf|huggingface-cli"
_PROGRAM = pattern(
    rf"(?<![A-Za-z0-9_.-])(?:(?:{_LOGIN_PROGRAMS})[ \"',]{{1,4}}(?P<login>login)"
    r"|(?P<program>" + "|".join(sorted(_PROGRAMS - {"login"})) + r")[\w-]*)(?=[\"']?[\s,])"
)
_COMMAND_END = pattern(r"(?<!\\)\n|&&|[;|&]\s")
_LONGEST_COMMAND = 400
_KEY_END = pattern(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_LINES = pattern(r"(?:[A-Za-z0-9+/=\\\"' \t\r]*\n)*[A-Za-z0-9+/=\\\"' \t\r]*\Z")
# By a part of it that is told anyhow, if there is one, so that less is searched for.
_BY_CLUE: dict[str, list[tuple[str, Login]]] = {}
for _login in _LOGINS:
    for _clue in _login.clues.split():
        _part = next((it for it in (*NAME_CLUES, *_BY_CLUE) if it in _clue), _clue)
        _BY_CLUE.setdefault(_part, []).append((_clue, _login))
_OPTION_CLUES = frozenset((" -", "'-", '"-', "login", "alias set ", "sqlplus ", "obscure "))
LOGIN_CLUES: Final = (*_BY_CLUE, *_OPTION_CLUES)


@cache
def _option(command: Command) -> re.Pattern[str]:
    """Return what matches an option with its secret, in a shell and in a list of texts."""
    between = r"(?:[ =\t]{1,4}|[\"'],[ ]{0,4}(?=[bB]?[\"']))"
    opening = r"(?:[bB]?(?P<mark>\\{0,3}[\"']))?"
    option = command.option.replace("~", between).replace("@", opening)
    secret = rf"(?P<secret>(?(mark)(?:(?!(?P=mark))[^\n]){{1,512}}|{_ARGUMENT}))"
    return re.compile(rf"(?<=[\s\"']){option}{secret}")


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    # When a text may hold it: most processes never see most of them.
    return re.compile(pattern)


def programs_in(lowered: str, clues: Iterable[str]) -> list[str]:
    """Return the programs that are in a text in lower case, if options may be."""
    if _OPTION_CLUES.isdisjoint(clues):
        return []
    return [program for program in _PROGRAMS if lowered.rfind(program) >= 0]


def login_spans(text: str, clues: Iterable[str]) -> Iterator[Span]:
    """Yield where secrets stand that are known by what is around them.

    The clues are those of `LOGIN_CLUES` and the programs that are in the text.
    """
    able = [
        it for clue in clues if clue != "://" or "@" in text for it in _BY_CLUE.get(clue, ())
    ]
    lowered = folded(text) if able else ""
    logins = dict.fromkeys(login for clue, login in able if clue in lowered)
    for login in logins:
        for match in _compiled(login.pattern).finditer(text):
            secret = match["secret"]
            if not is_empty(secret) and login.holds(match) and MASK not in secret:
                kind = "private key" if login.clues == _PRIVATE else "login"
                yield Span(match.start("secret"), match.end("secret"), kind)
    if _PRIVATE in clues and (end := _KEY_END.search(text)):
        # A text that begins inside a block.
        lines = _KEY_LINES.search(text, max(0, end.start() - _LONGEST_KEY), end.start())
        if lines and _KEY_DATA.search(lines[0]):
            yield Span(lines.start(), end.end(), "private key")
    if not _PROGRAMS.isdisjoint(clues):
        yield from _command_spans(text)


def _command_spans(text: str) -> Iterator[Span]:
    programs = list(_PROGRAM.finditer(text))
    for at, program in enumerate(programs):
        start, end = program.end(), program.end() + _LONGEST_COMMAND
        if at + 1 < len(programs):
            end = min(end, programs[at + 1].start())
        if end - start < 6:
            continue
        if ended := _COMMAND_END.search(text, start, end):
            end = ended.start()
        name = program["login"] or program["program"]
        for command in _COMMANDS:
            if name not in command.programs.split("|"):
                continue
            for match in _option(command).finditer(text, start, end):
                secret = match["secret"]
                if not (is_empty(secret) or secret.isdigit() or MASK in secret):
                    yield Span(match.start("secret"), match.end("secret"), "login")
