"""Behaviour of shapes: every known token goes."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
        safe = redactor.text(text)
        assert SECRET_PART.get(kind, token) not in safe
        assert MASK in safe
        assert redactor.count >= 1
        assert redactor.text(safe) == safe


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(st.text(), st.sampled_from(sorted(TOKENS.values())), st.just("password=x7f")),
        max_size=8,
    )
)
def test_texts_lose_together_what_each_loses_alone(texts: list[str]) -> None:
    """Texts that are searched together keep no secret, and lose no more, than one by one."""
    own = "own-secret"
    together, alone = Redactor([own]), Redactor([own])
    assert together.texts(texts) == [alone.text(text) for text in texts]
    assert together.count == alone.count
