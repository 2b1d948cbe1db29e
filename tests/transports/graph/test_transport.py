"""Mails through Microsoft Graph: who gets them, and what each answer means."""

from __future__ import annotations

import json
import logging
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

import pytest
from pydantic import SecretStr

from zenmail import (
    AccessToken,
    Attachment,
    Deadline,
    Email,
    Envelope,
    Mailer,
    PluginHost,
    Receipt,
    Retry,
    SendRequest,
    TokenRequest,
    hookimpl,
)

pytest.importorskip("msal")

pytestmark = pytest.mark.extras


def make_email(**changes: Any) -> Email:
    """Return a mail."""
    values: dict[str, Any] = {
        "sender": "Alerts <alerts@example.com>",
        "to": ["oncall@example.com"],
        "subject": "Step failed",
        "text": "Accuracy fell.\n",
    }
    return Email(**{**values, **changes})


@pytest.fixture
def send(graph: Any) -> Callable[..., Receipt]:
    """Return what sends a mail through the mailer, and tells it to try once."""

    def send(email: Email | None = None, *, attempts: int = 1, deadline: float = 30.0,
             policy: Any = "at_most_once", **options: Any) -> Receipt:  # fmt: skip
        with Mailer(
            "graph",
            options=graph.options(**options),
            retry=Retry(policy=policy, max_attempts=attempts),
            deadline=deadline,
        ) as mailer:
            return mailer.send(email or make_email())

    return send


def hand_over(graph: Any, email: Email, recipients: list[str]) -> EmailMessage:
    """Send a mail to an envelope of its own; return what Graph was given."""
    host = PluginHost()
    transport = host.transport("graph")
    receipt = transport.send(
        SendRequest(
            email,
            Envelope("alerts@example.com", tuple(recipients)),
            transport.parse_options(graph.options()),
            Deadline.after(30.0),
            host.fetch_token,
        )
    )
    host.close()
    assert receipt.accepted == tuple(recipients)
    (mail,) = graph.mails
    assert sorted(mail.recipients) == sorted(recipients)
    return message_from_bytes(mail.given, _class=EmailMessage, policy=policy.default)


@pytest.mark.parametrize(
    ("recipients", "to", "cc", "bcc"),
    [
        (["a@example.com", "b@example.com", "c@example.com", "d@example.com"],
         "A <a@example.com>, b@example.com", "c@example.com", "d@example.com"),
        (["b@example.com"], "b@example.com", None, None),
        (["c@example.com", "d@example.com"], None, "c@example.com", "d@example.com"),
        (["d@example.com"], None, None, "d@example.com"),
        (["staging@example.com"], None, None, "staging@example.com"),
        (["A@example.com"], None, None, "A@example.com"),
    ],
)  # fmt: skip
def test_the_headers_name_the_envelope_and_nobody_else(
    graph: Any, recipients: list[str], to: str | None, cc: str | None, bcc: str | None
) -> None:
    """Graph delivers to whoever the headers name: a retry to some names these alone."""
    email = make_email(
        to=["A <a@example.com>", "b@example.com"], cc="c@example.com", bcc="d@example.com"
    )
    message = hand_over(graph, email, recipients)
    assert (message["To"], message["Cc"], message["Bcc"]) == (to, cc, bcc)
    assert message["Message-ID"] == email.message_id
    assert message["From"] == "Alerts <alerts@example.com>"


def test_a_narrowed_mail_says_so(graph: Any, send: Callable[..., Receipt]) -> None:
    """Who is refused is left out for the others, and the receipt tells why."""
    graph.invalid.add("b@example.com")
    receipt = send(make_email(to=["a@example.com", "b@example.com"]))
    assert receipt.outcome == "partial"
    assert "name only the mail's actual recipients" in " ".join(receipt.notes)
    assert send(make_email(to="a@example.com")).notes == ()


def test_many_recipients_go_in_several_mails(graph: Any, send: Callable[..., Receipt]) -> None:
    """Exchange takes 500 recipients a mail; nobody is left out and nobody gets two."""
    everybody = [f"user{number}@example.com" for number in range(1201)]
    receipt = send(make_email(bcc=everybody, to=()))
    assert receipt.delivered
    assert [len(mail.recipients) for mail in graph.mails] == [500, 500, 201]
    assert [item for mail in graph.mails for item in mail.recipients] == everybody


@pytest.mark.parametrize(
    ("mailbox", "path"),
    [
        ("", "/v1.0/users/alerts@example.com/sendMail"),
        ("shared@example.com", "/v1.0/users/shared@example.com/sendMail"),
        ("me", "/v1.0/me/sendMail"),
    ],
)
def test_the_mailbox_is_the_senders_unless_it_is_given(
    graph: Any, send: Callable[..., Receipt], mailbox: str, path: str
) -> None:
    """A user's consent, and a shared mailbox, have paths of their own."""
    assert send(mailbox=mailbox).delivered
    assert graph.calls == [("POST", path)]


def test_connection_and_token_are_used_again(graph: Any) -> None:
    """Ten mails take one connection to Graph and one token, for Graph's own scope."""
    with Mailer("graph", options=graph.options()) as mailer:
        mailer.send(make_email()).raise_for_outcome()
        before = graph.connections
        for _ in range(9):
            mailer.send(make_email()).raise_for_outcome()
    assert graph.connections == before
    (form,) = graph.tokens
    assert form["scope"] == f"{graph.url}/.default"


def test_a_users_consent_sends_from_the_users_mailbox(
    graph: Any, send: Callable[..., Receipt]
) -> None:
    """A refresh token is exchanged for a token of Graph's, and no secret is needed."""
    options = graph.options()["oauth_options"]
    consent = {**options, "client_secret": None, "refresh_token": "canary-refresh/22de+token="}
    graph.permissions = {"scp": "Mail.Send"}
    assert send(mailbox="me", oauth_options=consent).delivered
    assert [mail.mailbox for mail in graph.mails] == ["me"]
    (form,) = graph.tokens
    assert form["grant_type"] == "refresh_token"
    assert f"{graph.url}/.default" in form["scope"].split()


def test_a_connection_that_was_closed_meanwhile_costs_no_mail(graph: Any) -> None:
    """What the server hung up on is not used again."""
    with Mailer("graph", options=graph.options(), retry=Retry(max_attempts=1)) as mailer:
        for _ in range(3):
            graph.script = ["last"]
            mailer.send(make_email()).raise_for_outcome()
            time.sleep(0.1)  # the end of the connection is on its way
    assert len(graph.mails) == 3


FORK = """
import json, os, sys, warnings
from zenmail import Email, Mailer, Retry
warnings.simplefilter("ignore", DeprecationWarning)  # fork beside threads, 3.12
email = Email(sender="alerts@example.com", to="oncall@example.com", text="t")
with Mailer("graph", options=json.loads(sys.argv[1]), retry=Retry(max_attempts=1)) as mailer:
    mailer.send(email).raise_for_outcome()
    child = os.fork()
    if not child:
        try:
            os._exit(0 if mailer.send(email).delivered else 1)
        finally:
            os._exit(2)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    mailer.send(email).raise_for_outcome()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_opens_a_connection_of_its_own(graph: Any) -> None:
    """Parent and child send over connections that neither disturbs."""
    # Not in this process, whose server may hold OpenSSL's locks in other threads.
    command = [sys.executable, "-c", FORK, json.dumps(graph.options())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("0\n", "")
    connections = [mail.connection for mail in graph.mails]
    assert connections[1] not in (connections[0], connections[2])


def test_a_refused_token_is_fetched_anew_once(graph: Any) -> None:
    """A token that was revoked costs one more call, not the mail."""
    with Mailer("graph", options=graph.options()) as mailer:
        mailer.send(make_email()).raise_for_outcome()
        graph.valid.clear()
        assert mailer.send(make_email()).delivered
        assert len(graph.tokens) == 2
        graph.script = [(401, {}, None), (401, {}, None)]
        receipt = mailer.send(make_email())
    assert (receipt.outcome, receipt.code) == ("refused", "graph-token")
    assert len(graph.tokens) == 3


def answer(status: int, code: str = "", message: str = "No.", **headers: str) -> Any:
    """Return a scripted answer in the form that Graph has for errors."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, named, {"error": {"code": code, "message": message}}


@pytest.mark.parametrize(
    ("scripted", "outcome", "code", "word"),
    [
        (answer(403, "ErrorAccessDenied"), "refused", "graph-permission", "Mail.Send"),
        (answer(403, "ErrorSendAsDenied"), "refused", "graph-sender", "Send As"),
        (answer(404, "ErrorInvalidUser"), "refused", "graph-mailbox", "mailbox"),
        (answer(404, "MailboxNotEnabledForRESTAPI"), "refused", "graph-mailbox", "Exchange"),
        (answer(400, "ErrorInvalidRecipients"), "refused", "graph-recipient", "address"),
        (answer(400, "ErrorMimeContentInvalidBase64String"), "refused", "graph-refused", ""),
        (answer(429, "ApplicationThrottled"), "deferred", "graph-throttled", "30 a minute"),
        (answer(429, "ErrorExceededMessageLimit"), "deferred", "quota", "Wait"),
        (answer(403, "ErrorSubmissionQuotaExceeded"), "deferred", "quota", "Wait"),
        (answer(507, "ErrorQuotaExceeded"), "deferred", "quota", "mailbox"),
        (answer(500, "ErrorInternalServerError"), "deferred", "graph-server", "Try again"),
        (answer(503, "ServiceNotAvailable"), "deferred", "graph-server", "Try again"),
        ((502, {}, "<html>"), "deferred", "graph-server", "Try again"),
        (answer(408, "RequestTimeout"), "deferred", "graph-server", "Try again"),
        (answer(504, "UnknownError"), "unknown", "graph-answer-lost", "Sent Items"),
        ((200, {}, None), "unknown", "graph-answer-lost", "Sent Items"),
        ((302, {"Location": "https://localhost/"}, None), "refused", "graph-refused", ""),
        ("close", "unknown", "graph-answer-lost", "Sent Items"),
        ("take", "unknown", "graph-answer-lost", "Sent Items"),
    ],
)  # fmt: skip
def test_each_answer_has_its_meaning(
    graph: Any,
    send: Callable[..., Receipt],
    scripted: Any,
    outcome: str,
    code: str,
    word: str,
) -> None:
    """Permanent, temporary or unknown, with a code and what to do."""
    graph.script = [scripted]
    receipt = send()
    assert (receipt.outcome, receipt.code) == (outcome, code)
    assert word in receipt.remedy
    assert len(graph.calls) == 1
    assert len(graph.mails) == (scripted == "take")


@pytest.mark.parametrize("policy", ["at_most_once", "at_least_once"])
def test_a_lost_answer_is_repeated_only_on_request(
    graph: Any, send: Callable[..., Receipt], policy: str
) -> None:
    """The mail may have been taken: a second copy is made under at_least_once alone."""
    graph.script = ["take"]
    receipt = send(attempts=3, policy=policy)
    again = policy == "at_least_once"
    assert receipt.outcome == ("delivered" if again else "unknown")
    assert len(graph.mails) == 1 + again


def test_a_connection_that_ends_in_the_body_took_nothing(
    graph: Any, send: Callable[..., Receipt]
) -> None:
    """What was not sent whole is tried again, and arrives once."""
    graph.script = ["tear"]
    data = bytes(range(256)) * 8_000
    receipt = send(
        make_email(attachments=[Attachment(filename="a.bin", content=data)]), attempts=2
    )
    assert receipt.delivered
    assert (len(graph.calls), len(graph.mails)) == (2, 1)


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_kept(graph: Any, send: Callable[..., Receipt], form: str) -> None:
    """A throttled mail is sent when Graph said, not before, and no second call is made."""
    later = datetime.now(timezone.utc) + timedelta(seconds=3)
    given = "2" if form == "seconds" else format_datetime(later, usegmt=True)
    graph.script = [answer(429, "ApplicationThrottled", Retry_After=given)]
    started = time.monotonic()
    receipt = send(attempts=5)
    assert receipt.delivered
    assert len(graph.calls) == 2
    assert time.monotonic() - started >= 1.9


def test_a_wait_longer_than_the_deadline_is_not_begun(
    graph: Any, send: Callable[..., Receipt]
) -> None:
    """The caller gets the receipt at once, and the outbox the mail."""
    graph.script = [answer(429, "ApplicationThrottled", Retry_After="3600")]
    started = time.monotonic()
    receipt = send(attempts=5, deadline=60.0)
    assert receipt.outcome == "deferred"
    assert len(graph.calls) == 1
    assert time.monotonic() - started < 30


def test_throttling_between_parts_defers_the_rest(
    graph: Any, send: Callable[..., Receipt]
) -> None:
    """Who has the mail is accepted, who has not is deferred, and nobody gets two."""
    graph.script = [None, answer(429, "ApplicationThrottled")]
    everybody = [f"user{number}@example.com" for number in range(1001)]
    receipt = send(make_email(bcc=everybody, to=()))
    assert receipt.outcome == "partial"
    assert receipt.accepted == tuple(everybody[:500])
    assert list(receipt.deferred) == everybody[500:]


def test_a_large_mail_is_shortened_before_it_is_sent(
    graph: Any, send: Callable[..., Receipt]
) -> None:
    """Above 4 MB the host leaves attachments out; Graph sees one call."""
    data = bytes(range(256)) * 12_000
    email = make_email(attachments=[Attachment(filename="model.bin", content=data)])
    receipt = send(email)
    assert receipt.delivered
    assert "shortened" in " ".join(receipt.notes)
    assert len(graph.calls) == 1
    assert b"model.bin" in graph.mails[0].given


def test_graphs_own_limit_shortens_too(graph: Any, send: Callable[..., Receipt]) -> None:
    """A tenant that takes less than 4 MB answers 413, and gets a shorter mail."""
    graph.script = [answer(413, "ErrorMessageSizeExceeded")]
    email = make_email(attachments=[Attachment(filename="a.bin", content=b"\0" * 50_000)])
    assert send(email).delivered
    assert len(graph.mails) == 1


def test_an_address_that_is_not_ascii_is_refused_alone(
    graph: Any, send: Callable[..., Receipt]
) -> None:
    """It cannot stand in the headers; the others get the mail."""
    receipt = send(make_email(to=["jürgen@example.com", "a@example.com"]))
    assert receipt.accepted == ("a@example.com",)
    assert list(receipt.refused) == ["jürgen@example.com"]


def test_a_certificate_that_is_not_trusted_gets_no_token(
    graph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No byte of the mail leaves, and another try would end the same way."""

    class Fixed:
        @hookimpl
        def fetch_token(self, request: TokenRequest) -> AccessToken:
            return AccessToken(SecretStr(graph.new_token()), 2e9)

    host = PluginHost()
    host.register_token_source("fixed", Fixed())
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with Mailer("graph", options=graph.options(oauth="fixed"), plugins=host) as mailer:
        receipt = mailer.send(make_email())
    assert (receipt.outcome, receipt.code) == ("refused", "graph-tls")
    assert receipt.attempts == 1
    assert graph.calls == []


def test_a_netrc_file_does_not_replace_the_token(
    graph: Any,
    send: Callable[..., Receipt],
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Requests would prefer a login for the host to a header."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login u password p\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert send().delivered


def test_no_secret_is_logged_or_told(
    graph: Any, send: Callable[..., Receipt], caplog: pytest.LogCaptureFixture
) -> None:
    """Neither token nor secret is in a log at DEBUG, a receipt or a repr."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="urllib3")
    written = [repr(send())]
    (token,) = graph.valid
    graph.permissions = {}  # the next token, too, is the one that is quoted
    graph.new_token = lambda: graph.valid.add(token) or token
    graph.script = [answer(403, "ErrorAccessDenied", f"Denied {token}.")]
    receipt = send()
    written += [repr(receipt), receipt.model_dump_json(), repr(pickle.dumps(receipt))]
    written += [repr(PluginHost().transport("graph").parse_options(graph.options()))]
    assert caplog.records
    assert "canary" not in "\n".join([*written, caplog.text])
