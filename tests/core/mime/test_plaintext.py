"""The text of a mail that was given as HTML alone."""

from __future__ import annotations

from typing import Any

import pytest

from zenmail import (
    Email,
)


def _email(**values: Any) -> Email:
    return Email(**{"sender": "a@b.example", "to": ["c@d.example"], **values})


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>One</p><p>Two &amp; <b>three</b></p>", "One\n\nTwo & three"),
        ("<head><title>t</title><style>p{}</style></head><body>a<br>b", "a\nb"),
        (
            'See <a href="https://x.example/?a&amp;b">here</a>',
            "See here <https://x.example/?a&b>",
        ),
        ('<a href="https://x.example">https://x.example</a>', "https://x.example"),
        ("<ul><li>one<li>two</ul>", "- one\n- two"),
        ("<table><tr><td>k</td><td>v</td></tr></table>", "k  v"),
        ('<img alt="A plot" src=x><!-- not <b>this</b> -->', "A plot"),
        ("1 < 2 <", "1 < 2 <"),
        ("<pre>a\n  b</pre>", "a\nb"),
        ("<script>x", "x"),
        ("a <!-- b", "a"),
    ],
)
def test_html_alone_gets_a_text(html: str, text: str) -> None:
    """No mail lacks a plain part (SpamAssassin's MIME_HTML_ONLY)."""
    email = _email(html=html)
    assert email.text == text
    assert email.html == html


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "unit", ["<", "<a", "<!--", "<style>", "</style", "<a href='", "<td>", "&"]
)
def test_hostile_html_of_megabytes_ends(unit: str) -> None:
    """Reading the text takes time that only a linear way can keep."""
    _email(html=unit * (1_000_000 // len(unit)))
