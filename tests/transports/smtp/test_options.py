from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zenmail import OptionsError
from zenmail_transports.smtp import SMTPOptions

PASSWORD, SECRET = "canary-password-7f3a", "canary-client~secret.6a90"


def parse(**values: Any) -> SMTPOptions:
    """Return the options of a server, with some of them set."""
    return SMTPOptions.parse({"host": "mail.example.com", **values}, transport="smtp")


@pytest.mark.parametrize(
    ("given_values", "port", "security"),
    [
        ({}, 587, "starttls"),
        ({"security": "tls"}, 465, "tls"),
        ({"port": 465}, 465, "tls"),
        ({"port": "465"}, 465, "tls"),
        ({"port": 465, "security": "starttls"}, 465, "starttls"),
        ({"port": 2525}, 2525, "starttls"),
        ({"port": None, "security": None}, 587, "starttls"),
        ({"security": "none", "port": 25}, 25, "none"),
    ],
)
def test_port_and_security(given_values: dict[str, Any], port: int, security: str) -> None:
    """Port and security each follow from the other when they are left out."""
    options = parse(**given_values)
    assert (options.port, options.security) == (port, security)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"host": ""}, "host"),
        ({"host": "smtp://mail.example.com"}, "without smtp://"),
        ({"host": "mail.example.com:25"}, "without the port"),
        ({"host": "mail example"}, "not a host name"),
        ({"host": "a\r\nb"}, "not a host name"),
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"security": "ssl"}, "security"),
        ({"password": "p"}, "no user name"),
        ({"username": "u"}, "neither password nor oauth"),
        ({"security": "none", "username": "u", "password": "p"}, "allow_insecure_login"),
        ({"oauth": "google"}, "needs username"),
        ({"oauth": "google", "username": "u", "password": "p"}, "not both"),
        ({"ehlo_name": "a b"}, "ehlo_name"),
        ({"ehlo_name": "a\r\nMAIL"}, "ehlo_name"),
        ({"username": "u\r\n RSET", "password": "p"}, "control character"),
        ({"username": "u", "password": "p\0q"}, "NUL"),
        ({"username": "u", "password": "\ud800"}, "password"),
        ({"hots": "x"}, "'hots' is not an option"),
    ],
)
def test_unusable_options(values: dict[str, Any], words: str) -> None:
    """Each unusable option is told in a sentence that says what would do."""
    with pytest.raises(OptionsError) as caught:
        parse(**values)
    assert words in str(caught.value)


def test_host_is_required() -> None:
    """Without a host there is no transport."""
    with pytest.raises(OptionsError, match="'host' is required"):
        SMTPOptions.parse({}, transport="smtp")


@pytest.mark.parametrize(
    ("host", "normal"),
    [
        (" Mail.Example.COM. ", "mail.example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("[::1]", "::1"),
        ("192.0.2.1", "192.0.2.1"),
        ("smtp_relay", "smtp_relay"),
        ("localhost", "localhost"),
    ],
)
def test_hosts(host: str, normal: str) -> None:
    """Hosts are names, in any script, or addresses."""
    assert parse(host=host).host == normal


@pytest.mark.parametrize(
    ("host", "username", "password", "expected"),
    [
        ("smtp.gmail.com", "u", "canary abcd efgh ijkl", ("u", "canaryabcdefghijkl")),
        ("smtp.sendgrid.net", "", " SG.key\n", ("apikey", "SG.key")),
        ("smtp.postmarkapp.com", "", "token\n", ("token", "token")),
        ("email-smtp.eu-west-1.amazonaws.com", "AKIA", "key\r\n", ("AKIA", "key")),
        ("mail.example.com", "u", "with spaces \n", ("u", "with spaces ")),
        ("evilsmtp.gmail.com.example.org", "u", "a b", ("u", "a b")),
    ],
    ids=["gmail", "sendgrid", "postmark", "ses", "any", "like gmail"],
)
def test_presets(host: str, username: str, password: str, expected: tuple[str, str]) -> None:
    """What a provider shows with a key is taken out; other passwords stay as they are."""
    options = parse(host=host, username=username, password=password)
    assert options.password is not None
    assert (options.username, options.password.get_secret_value()) == expected


def test_empty_means_none() -> None:
    """Empty strings, as command lines give them, are the same as nothing."""
    options = parse(username="", password="", ca_file="", ehlo_name="", oauth="")
    assert options.password is None
    assert options.ca_file is None


def test_secrets_are_in_no_repr() -> None:
    """Neither password nor OAuth secrets show in repr or pickle; equality goes by value."""
    one = parse(username="u", password=PASSWORD)
    other = parse(
        username="u", oauth="x", oauth_options={"client_secret": SECRET, "tenant": "t"}
    )
    assert "canary" not in repr(one) + str(one) + repr(other) + str(other)
    assert one == parse(username="u", password=PASSWORD)
    assert hash(one) == hash(parse(username="u", password=PASSWORD))
    assert one != parse(username="u", password="canary-wrong-password-0c6e")
    with pytest.raises(TypeError, match="holds secrets"):
        pickle.dumps(one)
    assert pickle.loads(pickle.dumps(parse())) == parse()


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(sorted(SMTPOptions.model_fields)),
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=30)),
    )
)
def test_options_are_good_or_refused(values: dict[str, Any]) -> None:
    """Whatever is typed makes options, or an OptionsError; never another exception."""
    try:
        options = SMTPOptions.parse(values, transport="smtp")
    except OptionsError:
        return
    assert 1 <= options.port <= 65535
    assert all(" " < character < "\x7f" for character in options.host)
