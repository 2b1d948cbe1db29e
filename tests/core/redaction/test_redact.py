"""Behaviour of redaction: every secret goes, every ordinary word stays."""

from __future__ import annotations

import base64
import json
import time
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from zenmail import Alert, compose
from zenmail.redaction.redact import MASK, Redactor

PEM = (
    "-----BEGIN RSA PRIVATE KEY-----\n"
    + "\n".join(["MIIEowIBAAKCAQEA" + "x" * 48] * 25)
    + "\n-----END RSA PRIVATE KEY-----"
)
# Put together here so that no scanner of the repository takes them for real ones.
TOKENS = {
    "aws": "AKIA" + "IOSFODNN7EXAMPLE",
    "github": "ghp_" + "a1B2" * 9,
    "github-fine": "github_pat_" + "11ABCDE0Y0" + "a1B2" * 12,
    "gitlab": "glpat-" + "a1B2c3D4e5F6g7H8i9J0",
    "slack": "xoxb-" + "123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx",
    "slack-hook": "https://hooks.slack.com/services/" + "T0000/B0000/" + "X1y2" * 6,
    "jwt": "eyJhbGciOiJIUzI1NiJ9."
    + "eyJzdWIiOiIxMjM0NTY3ODkwIn0."
    + "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9",
    "google": "AIza" + "SyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q",
    "openai": "sk-" + "proj-a1B2c3D4e5F6g7H8i9J0k1L2",
    "anthropic": "sk-ant-" + "api03-a1B2c3D4e5F6g7H8",
    "stripe": "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "sendgrid": "SG."
    + "ngeVfQFYQlKU0ufo8x5d1A"
    + "."
    + "TwL2iGABf9DHoTf-09kqeF8tAmbihYzrnopKc-1s5cr",
    "huggingface": "hf_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6",
    "databricks": "dapi" + "0123456789abcdef" * 2,
    "npm": "npm_" + "a1B2" * 9,
    "pypi": "pypi-" + "AgEIcHlwaS5vcmcCJDAwMDAwMDAwLTAwMDAtMDAwMC0wMDAw",
    "zenml": "ZENKEY_" + "eyJpZCI6IjEyMyIsImtleSI6ImFiYyJ9",
    "bearer": "Bearer " + "mF_9.B5f-4.1JqM",
    "basic": "Basic " + base64.b64encode(b"user:open sesame").decode(),
    "pem": PEM,
    "url": "postgresql://app:" + "p@ss/w0rd" + "@db.example.com:5432/app?sslmode=require",
    "url-plain": "https://user:" + "opensesame" + "@example.com/path",
    "curl": "curl -sS -u ada:" + "opensesame" + " https://example.com",
    "curl-short": "curl -uada:" + "opensesame" + " https://example.com",
    "curl-list": "Command '['curl', '--user', 'ada:"
    + "opensesame"
    + "', 'https://a.example']'",
    "curl-combined": "curl -sSfu ada:" + "opensesame" + " https://example.com",
    "curl-spaces": "curl -u  ada:" + "opensesame",
    "curl-json": r"{\"cmd\": \"curl -u \\\"ada:" + "opensesame" + r"\\\" x\"}",
    "basic-auth-variable": "HTTPBasicAuth(os.environ['U'], \"" + "opensesame" + '")',
    "netrc-default": "default login ada password " + "opensesame",
    "sshpass": "sshpass -p " + "opensesame" + " ssh host",
    "mysql": "mysql -u ada -p" + "opensesame" + " shop",
    "xml": "<password>" + "opensesame" + "</password>",
    "netrc": "machine example.com login ada password " + "opensesame",
    "basic-auth": "HTTPBasicAuth('ada', '" + "opensesame" + "')",
    "curl-lines": "curl -sS \\\n  -u ada:" + "opensesame" + " \\\n  https://example.com",
    "curl-cert": "curl --cert /etc/ada.pem:" + "opensesame" + " https://example.com",
    "login": "smtp.login('ada', '" + "opensesame" + "')",
    "login-keyword": 'client.login(user, password="' + "opensesame" + '")',
    "secret-str": "Options(host='a', key=SecretStr('" + "opensesame" + "'))",
    "cookie": "<RequestsCookieJar[<Cookie sid=" + "opensesame" + " for .example.com/>]>",
    "sql": "ALTER USER ada IDENTIFIED BY '" + "opensesame" + "'",
    "sql-lower": "create user ada identified by '" + "opensesame" + "'",
    "sql-postgres": "create role ada with password '" + "opensesame" + "' login",
    "docker": "docker login -u ada -p " + "opensesame" + " registry.example.com",
    "docker-quoted": "docker login -u ada -p 'pass phrase " + "opensesame" + "' a.example",
    "docker-short": "docker login -p" + "opensesame" + " a.example",
    "sql-quote": "ALTER USER ada IDENTIFIED BY 'pa''ss" + "opensesame" + "';",
    "sql-role": "ALTER ROLE app PASSWORD '" + "opensesame" + "'",
    "sql-login": "CREATE ROLE app WITH LOGIN PASSWORD '" + "opensesame" + "'",
    "sql-with": "IDENTIFIED WITH caching_sha2_password BY '" + "opensesame" + "'",
    "sql-double": 'IDENTIFIED BY "' + "opensesame" + '"',
    "sql-repr": "execute('create user ada identified by \\'" + "opensesame" + "\\'')",
    "curl-cert-slash": "curl --cert client.pem:pa/ss" + "opensesame" + " https://example.com",
    "docker-list": "['docker', 'login', '-p', '" + "opensesame" + "']",
    "signature": "https://x.blob.core.windows.net/c/b?sv=2024&sig=" + "a1B2c3%2FD4e5F6%3D",
}
SECRET_PART = {
    "slack-hook": "T0000/B0000",
    "bearer": "mF_9",
    "basic": TOKENS["basic"].split()[1],
    "pem": "MIIEow",
    "url": "p@ss",
    "signature": "a1B2c3",
    **{kind: "opensesame" for kind, token in TOKENS.items() if "opensesame" in token},
}


@pytest.mark.parametrize("kind", TOKENS)
def test_known_shapes_are_taken_out(kind: str) -> None:
    """A token that is known by its shape stands in no text, wherever in it it was."""
    token = TOKENS[kind]
    for text in (token, f"It said {token} and ended.", f'{{"x": "{token}"}}', f"a={token};b=1"):
        redactor = Redactor()
        assert Redactor().narrow(text)
        safe = redactor.text(text)
        assert SECRET_PART.get(kind, token) not in safe
        assert MASK in safe
        assert redactor.count >= 1
        assert redactor.text(safe) == safe


@pytest.mark.parametrize(
    "text",
    [
        "password=hunter2",
        "password: hunter2",
        "Password = 'hunter2'",
        'PASSWORD="hunter2"',
        '{"password": "hunter2"}',
        "{'db_password': 'hunter2', 'n': 1}",
        "--password hunter2",
        "--db-password=hunter2",
        "DB_PASSWORD=hunter2",
        "os.environ['API_KEY'] = 'hunter2'",
        "api_key: hunter2",
        "apiKey=hunter2&x=1",
        "?token=hunter2&x=1",
        "token: hunter2",
        "AWS_SECRET_ACCESS_KEY=hunter2",
        "SecretAccessKey: hunter2",
        "client_secret=hunter2",
        "Authorization: Bearer hunter2",
        "authorization: hunter2",
        "Cookie: session=hunter2; a=b",
        "Server=db;User Id=sa;Password=hunter2;Encrypt=1",
        "AccountKey=hunter2==;Endpoint=x",
        r"{\"password\": \"hunter2\"}",
        "connect(user='a', password='hunter2')",
        "passphrase: hunter2",
        "private_key = hunter2",
        "pwd=hunter2",
        "smtp_pass: hunter2",
        "connection_string: hunter2",
        "auth_token=hunter2",
        "X-Api-Key: hunter2",
        'password="say \\"hunter2\\" twice"',
        "token='hunter2",
        "password=hun,hunter2",
        "password: hunter2.",
        "refresh_token=>hunter2",
        "headers=[('accept', '*/*'), ('x-api-key', 'hunter2')]",
        "Headers([(b'Authorization', b'Bearer hunter2')])",
        '("password", "hunter2",)',
        "requests.get(url, auth=('ada', 'hunter2'))",
        'auth = (user, "hunter2")',
        "passwords = ['hunter2', 'open sesame']",
        "passwords=[None, 'hunter2']",
        "api_keys = {'openai': 'hunter2', 'x': None}",
        "credentials={'a': {'x': 'q'}, 'b': {'x': 'hunter2'}}",
        "passwords={'u1': ['p1'], 'u2': ['hunter2']}",
        "passwords=['ab', 'c\"]d', 'hunter2']",
        "passwords=['ada',\n 'hunter2']",
        '"credentials": {\n  "login": "hunter2"\n}',
        r"{\"credentials\": {\"login\": \"hunter2\"}}",
        "api_keys=" + repr(["hunter2-" + "x" * 40] * 14),
        "api_keys: [9fK2lqXz81, hunter2]",
        "tokens=[9fK2lqXz81, hunter2]",
        "tokens=[hunter2, 'the', 'cat']",
        "--set passwords={9fK2lqXz81,hunter2}",
        "password=(5,hunter2",
        "token=[5,hunter2 # and more",
        "auth=(hunter2 user = 'ada'",
        "password=[]hunter2",
        "assert password == 'hunter2'",
        "auth={'user': 'ada', 'pw': 'hunter2'}",
        "tokens={'a': 1, 'b': 'hunter2'}",
        "auth=(get('a','b'), 'hunter2')",
        "auth=('a,b', 'hunter2')",
        "auth=(\n 'u',\n 'hunter2',\n)",
        '["x-api-key", "hunter2"]',
        "('authorization', 'hunter2', True)",
        "Command '['az', 'login', '--password', 'hunter2']' failed",
        'password: str = "hunter2"',
        "api_key: Optional[str] = 'hunter2'",
        "password: str | None = 'hunter2'",
        "password: hunter2, user='ada'",
        "password: hunter2 user = 'ada'",
        '{"name": "DB_PASSWORD", "value": "hunter2"}',
        '{"name":"DB_PASSWORD","value":"hunter2"}',
        "- name: DB_PASSWORD\n  value: hunter2\n",
        "EnvVar(name='DB_PASSWORD', value='hunter2')",
        "api_keys=('hunter2',)",
        "credentials: {'user': 'ada', 'pw': 'hunter2'}",
        """auth=(os.environ["USER"], "hunter2's")""",
        "credentials: hunter2",
        "password: |\n  hunter2\nuser: ada",
        "db:\n  password: >-\n    hunter2\n    hunter2 too\n\n    hunter2\n  user: ada",
        "password: |\n\n  hunter2\nuser: ada",
        "password: |\n    one\n  \n    hunter2\nuser: ada",
        "password: |2\n    one\n  hunter2\nuser: ada",
        "password: | # not for everybody\n  hunter2\nuser: ada",
        "password: |\r\n  hunter2\r\nuser: ada",
        "- password: |\n    hunter2\n  user: ada",
        "pwd=b/hunter2",
        "Uid=sa;Pwd=fR/hunter2;Database=b",
        "password: |\n  a\n" + "  hunter2\n" * 2000 + "user: ada",
        "pwd='hunter2'",
    ],
)
def test_values_named_secret_are_taken_out(text: str) -> None:
    """A value behind a secret name goes, in every notation that tracebacks and logs use."""
    redactor = Redactor()
    assert Redactor().narrow(text)
    safe = redactor.text(text)
    assert "hunter2" not in safe
    assert redactor.count == 1
    assert redactor.text(safe) == safe, "what is redacted stays as it is"


@pytest.mark.parametrize(
    "text",
    [
        "tokens: 512",
        "max_tokens=4096",
        "n_tokens: 1,024",
        "Processed 3 tokens per second",
        "token_count: 17",
        "Invalid token: expected a string",
        "the secret of success",
        "KeyError: 'api_key'",
        "Bearer token expired",
        "Basic authentication is not supported",
        "basic training done",
        "monkey: banana",
        "primary_key: id",
        "author: Ada",
        "password_length=12",
        "tokenizer=bert-base",
        "https://localhost:8080/@scope/x",
        "git@github.com:org/repo.git",
        "pad_token: <pad>",
        "eos_token=</s>",
        "task-runner-for-the-nightly-build-job",
        "sk-learn-pipeline-for-training",
        "token = get_token()",
        "password=None",
        "password: ${DB_PASSWORD}",
        "PWD=/home/ada",
        "key=value",
        "See https://example.com/a?b=c#d",
        "passed: 10, failed: 2",
        "secret_name: email_credentials",
        "accuracy: 0.92\nloss: 0.1",
        "KeyboardInterrupt",
        "12:34:56",
        "a:b@c",
        "Connection refused: db.example.com:5432",
        "sort_key: created",
        "KeyError: ['password', 'email'] not in index",
        "columns = ('password', 'email', 'age')",
        "isin(('token', column))",
        "KeyError: ('token', 'label')",
        "[('id', 'int'), ('password', 'varchar'), ('token', 'NN')]",
        "tokens = ['the', 'cat', 'sat']",
        "tokens: ['[CLS]', 'the', '##ing', '.', '7']",
        "tokens = {'train': 512, 'test': 1.5}",
        "secrets={}",
        "api_keys=['[redacted]', '[redacted]']",
        'Column("password", "varchar(64)")',
        "missing_credentials=['username', 'password']",
        "missing secrets: ['smtp_password', 'api_key']",
        "{'token': 5, 'columns': ['id', 'name']}",
        "requireAuth('admin', 'editor') in place of BasicAuth()",
        "machine learning login required password reset",
        "curl -u https://example.com",
        "libcurl error -u 8:9",
        "password: {{ vault.password }}",
        "mysql -p 3306",
        "getattr(row, 'password', 'missing')",
        "auth=(user, password)",
        "tokens=[]",
        "curl -sS https://example.com/a:b",
        "docker run -u 1000:1000 image",
        "a machine learning login password prompt",
        "BasicAuth(user, password)",
        "client.login('ada')",
        "SecretStr('**********')",
        "the password 'must be set'",
        "docker run -p 8080:80 image",
        "docker login -u ada --password-stdin",
        "docker login -u ada -p $TOKEN",
        "['docker', 'login', '-p', password]",
        "return f\"SecretStr('{self}')\"",
        "the user identified by 'name'",
        "a problem with password 'reset' mails",
        "docker login -u ada --password-stdin a.example && docker run -p 8080:80 image",
        "docker login a.example && mkdir -p /data/out",
        "docker login failed, run with -p 3 workers",
        "page.login('admin', '/dashboard')",
        "- password: |\n  user: bob",
        "token: |\nnext: line",
        "  token: |\n  next: line",
        "  | password: |\n  | user:     |",
        "curl --cert /etc/ada.pem https://example.com/a:b",
        r"curl --cert C:\certs\ada.pem https://example.com",
        "PWD='/home/ada'",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    """What only resembles a secret is left as it is."""
    redactor = Redactor()
    assert redactor.text(text) == text
    assert redactor.count == 0


@pytest.mark.parametrize(
    "secret", ["p&<ss>\"w'ö rd\\", "hunter2!", "a b c d", "tab\tnewline\nend"]
)
def test_own_secrets_go_in_every_form(secret: str) -> None:
    """A given secret goes as it is, URL-encoded, JSON-escaped, and in base64 at any offset."""
    forms = [
        secret,
        quote(secret),
        quote(secret, safe=""),
        json.dumps(secret)[1:-1],
        repr(secret)[1:-1],
    ]
    for form in forms:
        assert form not in Redactor([secret], shapes=False).text(f"x {form} y")
    for user in ("", "a", "ab", "abc"):
        login = base64.b64encode(f"\0{user}\0{secret}".encode()).decode()
        core = base64.b64encode(secret.encode()).decode().rstrip("=")[4:-4]
        safe = Redactor([secret], shapes=False).text(login)
        assert MASK in safe
        assert len(core) < 8 or core not in safe


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
                    "database": {"user": "ada", "password": "swordfish", "ports": [1, 2]},
                    "tokens": {"input": 512, "output": 77},
                    "keys": [{"api_key": "swordfish", "max_tokens": 4096}],
                    "hidden": SecretStr("swordfish"),
                    "env": [{"name": "DB_PASSWORD", "value": "swordfish"}],
                },
                "variable": {"name": "API_TOKEN", "value": {"inline": "swordfish"}},
                "token": "swordfish",
                "has_secret": True,
                "api_key": ["swordfish"],
            },
            tables={
                "t": [{"name": "a", "password": "swordfish"}],
                "u": {"password": "swordfish"},
            },
            links={"x": "https://u:swordfish@example.com/"},
            next_steps=("use password=swordfish",),
            error="password=swordfish",
            traceback="password='swordfish'",
            html="<p>password=swordfish</p>",
        ),
        sender="a@example.com",
        to="b@example.com",
    )
    whole = email.text + (email.html or "")
    assert "swordfish" not in whole
    for kept in ("ada", "512", "77", "4096"):
        assert kept in email.text
    assert "14 secrets were taken out" in email.text


@pytest.mark.parametrize("length", range(9_860, 10_010, 5))
def test_secret_at_a_cut_never_shows_in_half(length: int) -> None:
    """Where a body is cut inside a secret, no part of the secret is left."""
    secret = "".join(f"{number:02}" for number in range(40, 80))
    body = "word " * (length // 5) + f"{TOKENS['github']} {secret} " + "tail " * 10_000
    email = compose(
        Alert(title="x", body=body),
        sender="a@example.com",
        to="b@example.com",
        secrets=[secret],
    )
    assert secret[:4] not in email.text
    assert "ghp_" not in email.text


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
]


@pytest.mark.once
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


@pytest.mark.once
def test_time_is_linear_in_nested_texts() -> None:
    """Texts within texts, each redacted already, are not looked through again and again."""

    def seconds(size: int) -> float:
        depth = int((size / 2) ** 0.5)
        nest = "".join(
            f"{' ' * level}password: |\n{' ' * level} [redacted]\n" for level in range(depth)
        )
        text = nest + "\n" * (size // 2)
        started = time.process_time()
        Redactor().text(text)
        return time.process_time() - started

    assert seconds(400_000) < 14 * seconds(50_000) + 0.1


def test_what_shapes_left_of_an_indented_text_goes() -> None:
    """That its beginning is redacted already saves no line of it."""
    text = "password: |\n  own-secret-1 and more\n  hunter2\nuser: ada"
    assert Redactor(["own-secret-1"]).text(text) == "password: |\n  [redacted]\nuser: ada"


def test_a_letter_that_becomes_two_hides_no_word() -> None:
    """What is looked for in the whole is looked for in its parts in the same way."""
    text = "/x?s\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}g=abcdefgh12"
    assert Redactor().text(text) != text
    assert Redactor().narrow(text)


def test_most_texts_are_not_suspect() -> None:
    """Where nothing can be secret, one look at the whole spares all others."""
    assert not Redactor().narrow("Training failed: loss is NaN.\nSee http://example.com/runs/5")


@settings(max_examples=300, deadline=None)
@given(st.text(), st.sampled_from(sorted(TOKENS)), st.text())
def test_suspicion_is_never_wrongly_absent(before: str, kind: str, after: str) -> None:
    """Whatever `text` would change, `narrow` announces."""
    for text in (before + TOKENS[kind] + after, before + "password=" + after, before):
        if Redactor().text(text) != text:
            assert Redactor().narrow(text)


@settings(max_examples=300, deadline=None)
@given(st.text(min_size=4, max_size=30), st.text(max_size=50), st.text(max_size=50))
def test_own_secret_never_survives(secret: str, before: str, after: str) -> None:
    """Whatever the secret and what stands round it, it is gone afterwards."""
    if secret in MASK or secret.strip() != secret:
        return
    safe = Redactor([secret], shapes=False).text(before + secret + after)
    assert secret not in safe.replace(MASK, "\0")


@settings(max_examples=300, deadline=None)
@given(st.text(), st.sampled_from(sorted(TOKENS)), st.text(), st.booleans())
def test_a_narrowed_redactor_does_the_same(
    before: str, kind: str, after: str, named: bool
) -> None:
    """Narrowed to a text, it takes the same out of each part of that text."""
    parts = [before, f"password={after}" if named else after, TOKENS[kind]]
    for chosen in (parts, parts[:2]):
        narrowed = Redactor([TOKENS[kind]])
        narrowed.narrow("\n".join(chosen))
        for part in chosen:
            assert narrowed.text(part) == Redactor([TOKENS[kind]]).text(part)
