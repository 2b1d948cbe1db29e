"""Behaviour of `zenmail.composing.compose`: what stands in the mail, and what never does."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import SecretStr

from zenmail import Alert, Attachment, ConfigurationError, Email, compose
from zenmail.composing.draft import list_id_for

SENDER = "Alerts <alerts@example.com>"


def mail(alert: Alert, **options: object) -> Email:
    """Return the alert composed for one recipient."""
    return compose(alert, sender=SENDER, to=["oncall@example.com"], **options)  # type: ignore[arg-type]


def test_html_and_text_say_the_same() -> None:
    """Every field of an alert stands in both parts."""
    email = mail(
        Alert(
            title="Step failed",
            body="The body.",
            severity="error",
            facts={"pipeline": "train", "parameters": {"lr": 0.1, "deep": {"n": 3}}},
            error="ValueError: no rows",
            next_steps=("Look at the data.",),
            url="https://example.com/run",
            links={"Logs": "https://example.com/logs"},
            metrics={"accuracy": 0.912},
            baseline={"accuracy": 0.9},
            tables={"Confusion": [{"a": 11, "b": 12}]},
        )
    )
    assert email.html is not None
    for word in (
        "Step failed",
        "The body.",
        "Error",
        "pipeline",
        "train",
        "parameters",
        "lr",
        "0.1",
        "deep.n",
        "ValueError: no rows",
        "What to do next",
        "Look at the data.",
        "https://example.com/run",
        "https://example.com/logs",
        "accuracy",
        "0.912",
        "+0.012",
        "+1.3%",
        "Confusion",
        "11",
        "12",
    ):
        assert word in email.text
        assert word in email.html


def test_values_are_escaped_in_html() -> None:
    """Nothing of an alert becomes markup, and its links lead to the web only."""
    evil = "<script>alert(1)</script>"
    email = mail(
        Alert(
            title=evil,
            body=evil,
            facts={evil: evil},
            error=evil,
            traceback=evil,
            next_steps=(evil,),
            url="javascript:alert(1)",
            links={evil: "data:text/html,x"},
            tables={evil: [[evil]]},
            metrics={evil: evil},
        )
    )
    assert email.html is not None
    assert "<script" not in email.html
    assert not re.search(r'href="(?!https?:|mailto:)', email.html)
    assert evil in email.text


def test_subject_is_the_title_behind_the_prefix() -> None:
    """The subject holds the prefix and the title, and no time that would break a thread."""
    alert = Alert(title="Step failed")
    assert mail(alert, subject_prefix="[ZenML]").subject == "[ZenML] Step failed"
    assert mail(alert, subject="Other").subject == "Other"


def test_message_without_title_gives_the_title() -> None:
    """The first line of a bare message becomes title and subject; nothing is lost."""
    email = mail(Alert(body="Training done\nAccuracy: 0.92"))
    assert email.subject == "Training done"
    assert "Accuracy: 0.92" in email.text


def test_mails_of_one_run_name_one_root() -> None:
    """Alerts with the same thread share a root id in the sender's domain; others do not."""
    first = mail(Alert(title="a", thread="run-1")).thread
    assert re.fullmatch(r"<run-[0-9a-f]+@example\.com>", first)
    assert first == mail(Alert(title="b", thread="run-1")).thread
    assert first != mail(Alert(title="b", thread="run-2")).thread
    assert mail(Alert(title="b")).thread == ""
    assert first == mail(Alert(title="b", thread="run-2", incident="run-1")).thread


@pytest.mark.parametrize("name", ["Train model", "学習", "train.v2", "--", "a" * 300])
def test_list_id_is_valid(name: str) -> None:
    """A pipeline of any name has an RFC 2919 identifier."""
    assert re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+", list_id_for(name))


def test_text_only_when_html_is_not_wanted() -> None:
    """``include_html=False`` leaves the HTML part out, custom HTML too."""
    assert mail(Alert(title="a", html="<p>x</p>"), include_html=False).html is None


def test_own_html_is_used_as_it_is() -> None:
    """An alert's own HTML replaces zenmail's; the text part still says what happened."""
    html = "<html><body><p>Mine</p></body></html>"
    email = mail(Alert(title="Title", body="Body", html=html))
    assert email.html == html
    assert "Title" in email.text
    assert "Body" in email.text


@pytest.mark.parametrize("secret", ["AKIAIOSFODNN7EXAMPLE", "password=hunter2hunter2"])
@pytest.mark.parametrize("place", ["subject", "subject_prefix", "url_label", "filename"])
def test_what_stands_beside_a_harmless_alert_is_redacted(place: str, secret: str) -> None:
    """A secret goes out of the subject, its prefix, a button and a file's name alike."""
    fields: dict[str, Any] = {"title": "x", "body": "fine", "url": "https://example.com/run"}
    arguments = {}
    if place == "filename":
        fields["attachments"] = [(f"{secret}.txt", "content")]
    elif place == "url_label":
        fields["url_label"] = secret
    else:
        arguments[place] = secret
    email = mail(Alert(**fields), **arguments)
    shown = [email.subject, email.text, email.html, *(x.filename for x in email.attachments)]
    assert secret.rpartition("=")[2] not in "\n".join(map(str, shown))
    assert "[redacted]" in "\n".join(map(str, shown))


def test_secrets_from_an_iterator_are_known_to_every_draft() -> None:
    """A mail that is made anew because it was too large is free of secrets, too."""
    alert = Alert(
        title="x",
        facts={f"fact {number}": "canary-password-7f3a " * 25 for number in range(40)},
        tables={
            f"table {number}": [{"a": "canary-password-7f3a " * 7, "b": "y" * 150}] * 20
            for number in range(6)
        },
    )
    email = mail(alert, secrets=iter(["canary-password-7f3a"]))
    assert "canary-password" not in email.text
    assert "canary-password" not in (email.html or "")


def test_own_secrets_are_in_no_part() -> None:
    """The alerter's secrets stand nowhere in the mail and are counted in its footer."""
    email = mail(
        Alert(
            title="x canary-password-7f3a",
            body="canary-password-7f3a",
            facts={"a": "canary-password-7f3a"},
            error="canary-password-7f3a",
            traceback="canary-password-7f3a",
            headers={"X-Note": "canary-password-7f3a"},
            attachments=(Attachment(filename="canary-password-7f3a.txt", content=b""),),
        ),
        secrets=["canary-password-7f3a"],
    )
    assert b"canary-password-7f3a" not in email.as_bytes()
    assert "7 secrets were taken out of this mail: 7 known secrets" in email.text


def test_long_traceback_is_shown_in_part_and_attached() -> None:
    """Head, tail and a count are shown; the whole travels as a file."""
    lines = [f"line {number}" for number in range(1000)]
    email = mail(Alert(title="a", traceback="\n".join(lines)))
    assert "line 0\n" in email.text
    assert "line 999" in email.text
    assert "940 lines left out" in email.text
    assert [item.filename for item in email.attachments] == ["traceback.txt"]
    assert email.attachments[0].read().decode().split() == " ".join(lines).split()


def test_raising_line_is_marked() -> None:
    """The frame that raised is marked in the HTML and named in the text."""
    trace = (
        'Traceback (most recent call last):\n  File "a.py", line 1, in main\n    work()\n'
        '  File "b.py", line 2, in work\n    raise ValueError("no")\nValueError: no'
    )
    email = mail(Alert(title="a", traceback=trace))
    assert trace in email.text
    assert "Raised at b.py, line 2, in work" in email.text
    marked = re.search(r"<mark[^>]*>(.*?)</mark>", email.html or "", re.DOTALL)
    assert marked
    assert "raise ValueError" in marked[1]


def test_huge_alert_stays_within_its_limits() -> None:
    """Ten megabytes and 100,000 lines make a mail of at most 100 KB that says what was cut."""
    email = mail(
        Alert(
            title="T" * 10_000,
            body="<ö&> " * 2_000_000,
            severity="error",
            traceback="\n".join(f"frame <{number}> é" for number in range(100_000)),
            facts={f"fact {number}": "ü<" * 1000 for number in range(200)},
            metrics={f"metric {number}": number for number in range(1000)},
            tables={"t": [{str(at): "&" * 500 for at in range(30)} for _ in range(1000)]},
        )
    )
    assert len(email.as_bytes()) <= 100_000
    assert len((email.html or "").encode()) <= 60_000
    for said in (
        "characters left out",
        "lines left out",
        "more facts",
        "more metrics",
        "more rows",
    ):
        assert said in email.text


class _Proxy:
    """As lazy objects are outside of their context."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(f"no {name} here")


def test_a_fact_that_fails_when_looked_at_loses_nothing_else() -> None:
    """An attribute that raises costs the fact alone."""
    email = mail(Alert(title="Done", facts={"proxy": _Proxy(), "step": "train"}))
    assert "train" in email.text


@pytest.mark.parametrize("subject", [None, 5, ValueError("x")])
def test_any_subject_becomes_text(subject: object) -> None:
    """A subject, or what stands before it, need not be a str."""
    assert mail(Alert(title="Done"), subject=subject, subject_prefix=subject).subject


@pytest.mark.parametrize(
    "secrets",
    [
        "canary-password-7f3a",
        b"canary-password-7f3a",
        SecretStr("canary-password-7f3a"),
        ["x", SecretStr("canary-password-7f3a")],
        {"canary-password-7f3a", None},
        iter(["canary-password-7f3a", "x"]),
        {"smtp": SecretStr("canary-password-7f3a")},
        [bytearray(b"canary-password-7f3a")],
        [["canary-password-7f3a"]],
    ],
    ids=lambda value: type(value).__name__,
)
def test_secrets_come_in_any_form(secrets: Any) -> None:
    """One secret or several, wrapped or not, are all taken out."""
    alert = Alert(title="Failed", body="It said canary-password-7f3a.")
    email = compose(alert, sender="a@example.com", to="b@example.com", secrets=secrets)
    assert "canary-password-7f3a" not in f"{email.text}{email.html}"


@pytest.mark.parametrize(
    "secrets",
    [5, ["x", 5], SecretStr, memoryview(b"x")],
    ids=["number", "number in a list", "class", "view"],
)
def test_secrets_that_are_none_are_refused(secrets: Any) -> None:
    """What cannot be a secret is told so, for what was meant would stay in the mail."""
    with pytest.raises(ConfigurationError, match="Every secret must be a string"):
        compose(Alert(title="x"), sender="a@example.com", to="b@example.com", secrets=secrets)


def test_only_an_alert_is_composed() -> None:
    """A text is told how to become an alert."""
    with pytest.raises(
        ConfigurationError, match=r"Expected an Alert, got str\. Make one: Alert\("
    ):
        compose("It failed", sender="a@example.com", to="b@example.com")  # type: ignore[arg-type]
