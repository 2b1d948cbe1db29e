"""Behaviour of links: where they may lead, and how they are written."""

from __future__ import annotations

from typing import Literal

import pytest

from zenmail import Alert, compose
from zenmail.composing.links import href, is_web_address, true_host


@pytest.mark.parametrize(
    ("url", "answer"),
    [
        ("https://example.com/a", True),
        ("HTTP://localhost:8080", True),
        ("mailto:a@b.example", True),
        ("http://[::1]:80/", True),
        ("javascript:alert(1)", False),
        ("https://", False),
        ("https://" + "a" * 64 + ".example", False),
        ("//example.com", False),
        ("", False),
        ("https://münchen.example/", True),
        ("s3://bucket/key", False),
    ],
)
def test_web_addresses(url: str, answer: bool) -> None:
    """Only http, https and mailto with a possible host count as web addresses."""
    assert is_web_address(url) is answer


def test_addresses_are_encoded_where_they_must() -> None:
    """What no address may hold is encoded, and what it holds already stays."""
    assert (
        href('https://a.example/"x y"?q=%20%zz') == "https://a.example/%22x%20y%22?q=%20%25zz"
    )


@pytest.mark.parametrize(
    ("url", "label", "host"),
    [
        ("https://evil.example/x", "https://bank.example/x", "evil.example"),
        ("https://evil.example/x", "bank.example", "evil.example"),
        ("https://bank.example@evil.example/", "the bank", "evil.example"),
        ("https://bank.example:443@evil.example/", "the bank", "evil.example"),
        ("https://b\N{CYRILLIC SMALL LETTER A}nk.example/", "x", "xn--bnk-6cd.example"),
        ("https://evil.example", "http://bank.example\N{FRACTION SLASH}x", "evil.example"),
        ("http://localhost:8080", "http://localhost:8080/x", ""),
        ("https://www.bank.example/x", "bank.example", ""),
        ("https://bank.example/x", "https://BANK.example", ""),
        ("https://ci.example/train.py", "train.py", ""),
        ("https://ci.example/1", "the run", ""),
        ("https://b\N{LATIN SMALL LETTER A WITH DIAERESIS}nk.example/", "x", ""),
        ("mailto:a@b.example", "a@b.example", ""),
    ],
)
def test_a_link_that_misleads_is_shown_with_its_host(url: str, label: str, host: str) -> None:
    """Text that is another address, user@host and mixed scripts hide where a link leads."""
    assert true_host(url, label) == host
    email = compose(
        Alert(title="x", body=f"see [{label}]({url})", links={label: url}),
        sender="a@example.com",
        to="b@example.com",
    )
    for given in (email.text, email.html or ""):
        # The preheader begins with the body, so that the HTML part says it once more.
        wanted = 0 if not host else 3 if given is email.html else 2
        part = " ".join(given.split())
        assert part.count(f"(leads to {host})" if host else "leads to") == wanted


@pytest.mark.parametrize(
    ("body_format", "before"),
    [("markdown", "see"), ("plain", "see"), ("plain", "a  b\nsee"), ("plain", "a  b\nc  ")],
)
def test_an_address_that_hides_its_host_says_it_in_both_parts(
    body_format: Literal["markdown", "plain"], before: str
) -> None:
    """Where it stands as it is, in Markdown and in plain text, aligned or not."""
    url = "https://bank.example@evil.example/x"
    email = compose(
        Alert(title="x", body=f"{before} {url}, please", body_format=body_format),
        sender="a@example.com",
        to="b@example.com",
    )
    for part in (email.text, email.html or ""):
        assert "(leads to evil.example), please" in " ".join(part.split())


def test_the_address_of_a_picture_that_became_a_link_is_honest() -> None:
    """Its description cannot pass for another address."""
    email = compose(
        Alert(title="x", body="![bank.example](https://evil.example/x.png)"),
        sender="a@example.com",
        to="b@example.com",
    )
    for part in (email.text, email.html or ""):
        assert "(leads to evil.example)" in " ".join(part.split())
