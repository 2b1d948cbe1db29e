"""Behaviour of links: where they may lead, and how they are written."""

from __future__ import annotations

import pytest

from zenmail.composing.links import href, is_web_address


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
