"""Behaviour of redaction: every secret goes, every ordinary word stays."""

from __future__ import annotations

import time

import pytest
from pydantic import SecretStr

from zenmail import Alert, compose
from zenmail.redaction.redact import Redactor

PEM = (
    "-----BEGIN RSA PRIVATE KEY-----\n"
    + "\n".join(["MIIEowIBAAKCAQEA" + "x" * 48] * 25)
    + "\n-----END RSA PRIVATE KEY-----"
)
GITHUB_TOKEN = "ghp_" + "a1B2" * 9


def test_own_secrets_go_though_shapes_are_off() -> None:
    """``redact=False`` leaves what looks like a secret, but never the alerter's own."""
    alert = Alert(title="password=abc own-secret", facts={"password": "abc"})
    email = compose(
        alert, sender="a@example.com", to="b@example.com", secrets=["own-secret"], redact=False
    )
    assert "password=abc" in email.text
    assert "own-secret" not in email.as_bytes().decode()


def test_nested_values_are_redacted_by_name() -> None:
    """Secrets in the depths of facts go; counts, flags and neighbours stay."""
    email = compose(
        Alert(
            title="x",
            facts={
                "parameters": {
                    "database": {"user": "ada", "password": "sw0rdfish", "ports": [1, 2]},
                    "tokens": {"input": 512, "output": 77},
                    "keys": [{"api_key": "sw0rdfish", "max_tokens": 4096}],
                    "hidden": SecretStr("sw0rdfish"),
                    "env": [{"name": "DB_PASSWORD", "value": "sw0rdfish"}],
                },
                "variable": {"name": "API_TOKEN", "value": {"inline": "sw0rdfish"}},
                "token": "sw0rdfish",
                "has_secret": True,
                "api_key": ["sw0rdfish"],
            },
            tables={
                "t": [{"name": "a", "password": "sw0rdfish"}],
                "u": {"password": "sw0rdfish"},
            },
            links={"x": "https://u:sw0rdfish@example.com/"},
            next_steps=("use password=sw0rdfish",),
            error="password=sw0rdfish",
            traceback="password='sw0rdfish'",
            html="<p>password=sw0rdfish</p>",
        ),
        sender="a@example.com",
        to="b@example.com",
    )
    whole = email.text + (email.html or "")
    assert "sw0rdfish" not in whole
    for kept in ("ada", "512", "77", "4096"):
        assert kept in email.text
    assert "14 secrets were taken out" in email.text


@pytest.mark.parametrize("length", range(9_860, 10_010, 5))
def test_secret_at_a_cut_never_shows_in_half(length: int) -> None:
    """Where a body is cut inside a secret, no part of the secret is left."""
    secret = "".join(f"{number:02}" for number in range(40, 80))
    body = "word " * (length // 5) + f"{GITHUB_TOKEN} {secret} " + "tail " * 10_000
    email = compose(
        Alert(title="x", body=body),
        sender="a@example.com",
        to="b@example.com",
        secrets=[secret],
    )
    assert secret[:4] not in email.text
    assert "ghp_a1" not in email.text


@pytest.mark.parametrize("lead", range(0, 9000, 450))
def test_secret_at_the_cuts_of_a_traceback_never_shows_in_half(lead: int) -> None:
    """A key block in a traceback goes though only its beginning or end is shown."""
    filler = "\n".join(f"frame number {number}" for number in range(2000))
    trace = "z" * lead + "\n" + filler[:8_000] + PEM * 8 + filler[: 20_000 + lead]
    email = compose(
        Alert(title="x", traceback=trace), sender="a@example.com", to="b@example.com"
    )
    shown = email.text + "".join(item.read().decode() for item in email.attachments)
    assert "MIIEow" not in shown
    assert "xxxxxxxxxxxxxxxxxxxx" not in shown


@pytest.mark.parametrize("shift", range(0, 90, 8))
def test_own_secret_at_the_cuts_of_a_traceback_never_shows_in_half(shift: int) -> None:
    """Nor does a given secret that stands across the end of the head or before the tail."""
    secret = "".join(f"{number:02}" for number in range(40, 80))
    head = ("frame\n" * 2_000)[: 12_000 - shift]
    tail = ("frame\n" * 4_000)[: 24_000 - 80 + shift]
    trace = head + secret + "\nframe" * 5_000 + "\n" + secret + tail
    email = compose(
        Alert(title="x", traceback=trace),
        sender="a@example.com",
        to="b@example.com",
        secrets=[secret],
    )
    shown = email.text + "".join(item.read().decode() for item in email.attachments)
    for start in range(0, 76, 2):
        assert secret[start : start + 4] not in shown


ADVERSARIAL = [
    "password:\n",
    "token  ",
    "password=",
    "password='",
    "-----BEGIN PRIVATE KEY-----",
    "eyJ",
    "://",
    "://a:",
    "token",
    "Bearer ",
    "eyJa.",
    "SG.",
    "key-",
    "password",
    "a:b@",
    "Authorization: ",
    "[",
    '\\"',
    "sk-",
    "password=\\",
    "://u:p@",
    "-----END PRIVATE KEY-----",
    "secret:",
    "A",
    "Basic ",
    "=",
    "aB",
    "postgres://u:",
    "?sig=",
    "pass pass=",
    "token \t",
    "eyJaaaaaaaa.aaaaaaaa",
    "curl ",
    "curl -u ",
    "machine a login ",
    "machine ",
    "Auth('",
    "('password','",
    "auth=('",
    "passwords=['",
    "passwords=[",
    "tokens={'a':",
    "password: str = ",
    "'--password', ",
    "password\n value:",
    "<password>",
    "sshpass -p ",
    "BasicAuth(a,",
    ".login(a,",
    "pwd=/",
    "password: |\n ",
    "password: |\n  a\n",
    "curl \\\n",
    "docker login ",
    "docker login -p",
    "SecretStr('",
    "<Cookie ",
    "create user a ",
    "create user a identified by '",
    "IDENTIFIED BY '",
    "curl --cert a:",
    "token: [",
    "sk-sk",
    "/1",
    "api key is ",
    "|token|",
    '"name": "PW", ',
    "a.b@",
]


@pytest.mark.once
@pytest.mark.no_cover  # it would double the time
@pytest.mark.parametrize("unit", ADVERSARIAL)
def test_time_is_linear_in_the_text(unit: str) -> None:
    """Eight times the text takes nowhere near sixty-four times as long."""

    def seconds(size: int) -> float:
        text = unit * (size // len(unit))
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            Redactor(["some secret"]).text(text)
            best = min(best, time.process_time() - start)
        return best

    assert seconds(400_000) < 30 * seconds(50_000) + 0.1


def test_a_letter_that_becomes_two_hides_no_word() -> None:
    """A text that grows in lower case is searched like any other."""
    text = "/x?s\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}g=abcdefgh12"
    assert Redactor().text(text) != text


def test_the_footer_tells_how_many_of_which_kind_and_where() -> None:
    """A reader learns what is missing, and what a token began with."""
    email = compose(
        Alert(
            title="x",
            body=f"it said {GITHUB_TOKEN} and own-secret-1",
            facts={"parameters": {"db_pw": "x7Zebra", "token": "expired"}},
            traceback=f"    push({GITHUB_TOKEN!r})\nValueError: no",
        ),
        sender="a@example.com",
        to="b@example.com",
        secrets=["own-secret-1"],
    )
    told = " ".join(email.text.split())
    assert (
        "4 secrets were taken out of this mail: 1 credential, 1 known secret, 2 tokens "
        "(in the details, the message, the traceback)." in told
    )
    assert "ghp_...[redacted]" in told
    assert "expired" in told


def test_an_innocent_traceback_loses_nothing() -> None:
    """Source lines are code: names, calls and placeholders in them are no secrets."""
    source = (
        "    token = oauth2.fetch_token(scope)\n    auth = HTTPBasicAuth(user, password)\n"
        "    connect(user=user, password=password, host=host)\n    raise AuthError(token)\n"
        "    api_key = os.environ['API_KEY']\n    password = settings.db_password\n"
        "    cookies = response.cookies.get_dict()\n    secret = vault.read(path)['data']\n"
    )
    redactor = Redactor()
    assert redactor.text(source) == source
    assert redactor.count == 0


def test_tables_of_more_than_two_columns_are_read_by_their_headings() -> None:
    """A row of name, type and value is masked by what its name says."""
    email = compose(
        Alert(
            title="x",
            tables={
                "env": [
                    {"name": "API_KEY", "type": "string", "value": "q8Zebra77xP"},
                    {"name": "MODE", "type": "string", "value": "prod"},
                ]
            },
            facts={"env": [{"name": "DB_PASSWORD", "type": "env", "value": "w0mbat-x"}]},
        ),
        sender="a@example.com",
        to="b@example.com",
    )
    assert "q8Zebra77xP" not in email.text
    assert "w0mbat" not in email.text
    assert "prod" in email.text
