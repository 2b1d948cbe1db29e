"""Behaviour of the body: Markdown where it is meant, words left alone where it is not."""

from __future__ import annotations

import html
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zenmail.composing.markdown import from_markdown
from zenmail.composing.plain_html import from_plain


def visible(markup: str) -> str:
    """Return what a reader of the HTML sees."""
    text = re.sub(r"<br>\n?", "\n", markup)
    return html.unescape(re.sub(r"<[^>]*>", "", text)).replace("\xa0", " ").strip()


@pytest.mark.parametrize(
    "text",
    [
        "my_feature_store and _private_ and __init__",
        "<module> in <listcomp>",
        "def f(*args, **kwargs)",
        "2*3*4 = 24",
        r"C:\new\table\*.csv",
        r"\\server\share\_x",
        "**/*.py and *.txt",
        "a < b && c > d",
        "array[0](x)",
        "[INFO]: started",
        "AT&amp;T",
        "x\n----",
        "snake_case_name_ and *unclosed",
        "100% | done",
        "f(*a) + g(*b)",
    ],
)
def test_what_only_looks_like_markdown_stays(text: str) -> None:
    """Names, code, paths and globs reach both parts character by character."""
    rendered = from_markdown(text)
    if text != "x\n----":
        assert visible(rendered.html) == text
        assert rendered.text == text
    else:
        assert "<h" not in rendered.html.replace("<hr", "")


@pytest.mark.parametrize(
    ("text", "markup", "plain"),
    [
        ("**bold**", "<strong>bold</strong>", "bold"),
        ("*so*", "<em>so</em>", "so"),
        ("`a<b`", ">a&lt;b</code>", "a<b"),
        (
            "[x](https://a.example/?b=1&c=2)",
            'href="https://a.example/?b=1&amp;c=2"',
            "x (https://a.example/?b=1&c=2)",
        ),
        (
            "see https://a.example/x_y.",
            'href="https://a.example/x_y"',
            "see https://a.example/x_y.",
        ),
        ("- a\n- b", "<ul", "- a\n- b"),
        ("2. a\n3. b", '<ol start="2"', "2. a\n3. b"),
        ("# Head", "<p ", "Head"),
        ("| a | b |\n|---|--:|\n| 1 | 22 |", '<th scope="col"', "a  b\n-  --\n1  22"),
        ("```\nx = 1\n```", "<pre", "x = 1"),
        ("one\ntwo", "one<br>\ntwo", "one\ntwo"),
        (
            "![alt](https://a.example/p.png)",
            'href="https://a.example/p.png"',
            "alt (https://a.example/p.png)",
        ),
        (r"\*plain\*", "*plain*", "*plain*"),
    ],
)
def test_markdown_becomes_html_and_text(text: str, markup: str, plain: str) -> None:
    """Marks become elements in the HTML and vanish from the text."""
    rendered = from_markdown(text)
    assert markup in rendered.html
    assert rendered.text.strip() == plain.strip()


@pytest.mark.parametrize(
    "text",
    [
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](data:text/html,a)",
        "<javascript:alert(1)>",
        "[x](vbscript:x)",
        "![x](javascript:alert(1))",
        "[x](/local)",
    ],
)
def test_links_lead_to_the_web_only(text: str) -> None:
    """Any other address stays text; no picture is ever fetched."""
    rendered = from_markdown(text)
    assert "href" not in rendered.html
    assert "<img" not in rendered.html


def test_plain_is_verbatim() -> None:
    """A plain body keeps its marks, indentation and line ends."""
    text = "**not bold**\n    indented  twice\n<b>"
    rendered = from_plain(text)
    assert rendered.text == text
    assert visible(rendered.html) == text


def test_long_lines_are_wrapped_in_the_text() -> None:
    """The text part has lines of at most 76 characters where there is a space to break at."""
    rendered = from_markdown("word " * 100)
    assert max(map(len, rendered.text.split("\n"))) <= 76
    assert rendered.text.split() == ["word"] * 100


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab *_`[]()<>!#-|\\\n&\"'1.:/h", max_size=80))
def test_no_word_is_lost_and_no_markup_gained(text: str) -> None:
    """Letters survive in both parts, and the HTML holds no element that is not ours."""
    rendered = from_markdown(text)
    if "](" not in text and "```" not in text:
        letters = sorted(re.findall(r"[abh]", text))
        assert sorted(re.findall(r"[abh]", visible(rendered.html))) == letters
        assert sorted(re.findall(r"[abh]", rendered.text)) == letters
    names = set(re.findall(r"<([a-z0-9]+)", rendered.html))
    assert names <= {
        "p",
        "br",
        "strong",
        "em",
        "code",
        "pre",
        "a",
        "ul",
        "ol",
        "li",
        "blockquote",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "hr",
    }


@pytest.mark.parametrize(
    "unit",
    ["[", "![", "*a ", "**a", "`", "> ", "- ", "|a", "a](", "[a](<", "\\", "_", "1. ", "\t"],
)
def test_hostile_marks_end_soon(unit: str) -> None:
    """A body of nothing but marks is rendered in bounded time."""
    start = time.process_time()
    from_markdown((unit * 10_000)[:10_000])
    assert time.process_time() - start < 5


def test_emphasis_needs_no_spaces_in_japanese() -> None:
    """Scripts that write none between words have it inside a sentence."""
    rendered = from_markdown("三回再試行し、**学習ステップ**は完了。")
    assert "<strong>学習ステップ</strong>は" in rendered.html
    assert rendered.text == "三回再試行し、学習ステップは完了。"
