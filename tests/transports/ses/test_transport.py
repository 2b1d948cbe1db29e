from __future__ import annotations

import os
from email import message_from_string, policy
from typing import Any

import pytest

from zenmail import (
    Mailer,
)

pytest.importorskip("boto3")

pytestmark = pytest.mark.extras


def test_the_mail_arrives_as_it_is(ses: Any, make_email: Any, send: Any) -> None:
    """SES gets the envelope and the very bytes, without blind copies in them."""
    email = make_email(
        sender="Al\u00e9rts <alerts@example.com>", text="gr\u00fcn\n", bcc="hidden@example.com"
    )
    receipt = send(email, **ses.options)
    (message,) = ses.messages()
    assert message["source"] == "alerts@example.com"
    assert message["destinations"] == ["oncall@example.com", "hidden@example.com"]
    assert message["raw_data"] == email.as_bytes().decode("ascii")
    assert "hidden@" not in message["raw_data"]
    assert receipt.outcome == "delivered"
    assert receipt.accepted == email.envelope.recipients
    assert message["id"] in receipt.detail


def test_the_receipt_says_what_ses_changes(ses: Any, make_email: Any, send: Any) -> None:
    """SES replaces Message-ID and Date; the receipt names its own id, and says so."""
    receipt = send(make_email(), **ses.options)
    (message,) = ses.messages()
    (note,) = receipt.notes
    assert message["id"] in note
    assert "Message-ID" in note
    assert "Date" in note


def test_threads_keep_working(ses: Any, make_email: Any, send: Any) -> None:
    """The root of a conversation travels in References, which SES leaves alone."""
    send(make_email(thread="<run-7@example.com>"), **ses.options)
    parsed = message_from_string(ses.messages()[0]["raw_data"])
    assert parsed["References"] == "<run-7@example.com>"
    assert parsed["In-Reply-To"] == "<run-7@example.com>"


def test_more_than_fifty_recipients_are_split(ses: Any, make_email: Any, send: Any) -> None:
    """Each call names at most 50 recipients, and each recipient once."""
    people = [f"person{number}@example.com" for number in range(120)]
    receipt = send(make_email(to=(), bcc=people), **ses.options)
    messages = ses.messages()
    assert [len(message["destinations"]) for message in messages] == [50, 50, 20]
    assert [name for message in messages for name in message["destinations"]] == people
    assert receipt.accepted == tuple(people)
    assert all(message["id"] in receipt.detail for message in messages)


def test_many_names_in_the_headers_cost_nobody_the_mail(
    ses: Any, make_email: Any, send: Any
) -> None:
    """A server that counts the headers' names, too, gets the mail without them."""
    people = [f"person{number}@example.com" for number in range(70)]
    receipt = send(make_email(to=people[:60], cc=people[60:]), **ses.options)
    assert receipt.outcome == "delivered"
    assert receipt.accepted == tuple(people)
    assert receipt.attempts == 1
    assert "name no recipient" in receipt.notes[0]
    messages = ses.messages()
    assert [name for message in messages for name in message["destinations"]] == people
    for message in messages:
        parsed = message_from_string(message["raw_data"])
        assert (parsed["To"], parsed["Cc"]) == ("undisclosed-recipients:;", None)


def test_too_many_recipients_for_good_are_refused(
    session: Any, make_email: Any, send: Any
) -> None:
    """Without the names SES is asked once more, and no more often."""
    for _ in range(2):
        session.fails("BadRequestException", "Recipient count exceeds 50.")
    receipt = send(make_email(), session=session)
    assert (receipt.outcome, receipt.code) == ("refused", "ses-rejected")


def test_one_throttled_part_is_tried_again_alone(
    session: Any, make_email: Any, send: Any
) -> None:
    """Those who have the mail get it once; the others get it in the second attempt."""
    people = [f"person{number}@example.com" for number in range(70)]
    session.answers()
    session.fails("TooManyRequestsException", status=429)
    session.answers()
    receipt = send(make_email(to=people), attempts=2, session=session)
    assert receipt.outcome == "delivered"
    assert receipt.attempts == 2
    assert receipt.accepted == tuple(people)


def test_one_refused_part_does_not_stop_the_others(
    session: Any, make_email: Any, send: Any
) -> None:
    """Recipients behind a part that SES refuses get their mail."""
    people = [f"person{number}@example.com" for number in range(120)]
    session.answers()
    session.fails("MessageRejected", "Address blacklisted.")
    session.answers()
    receipt = send(make_email(to=people), session=session)
    assert receipt.outcome == "partial"
    assert receipt.accepted == (*people[:50], *people[100:])
    assert list(receipt.refused) == people[50:100]
    assert receipt.code == "ses-rejected"


def test_one_unverified_recipient_does_not_cost_the_others_their_mail(
    session: Any, make_email: Any, send: Any
) -> None:
    """In the sandbox the recipients that SES names are refused, and the rest get the mail."""
    people = ["a@example.com", "b@example.com", "c@example.com"]
    session.fails(
        "MessageRejected",
        "Email address is not verified. The following identities failed the check in region "
        "EU-WEST-1: b@example.com, c@example.com",
    )
    session.answers(
        Content={"Raw": {"Data": (email := make_email(to=people)).as_bytes()}},
        Destination={"ToAddresses": ["a@example.com"]},
        FromEmailAddress="alerts@example.com",
    )
    receipt = send(email, session=session)
    assert receipt.accepted == ("a@example.com",)
    assert set(receipt.refused) == {"b@example.com", "c@example.com"}


def test_an_unverified_sender_is_not_tried_twice(
    session: Any, make_email: Any, send: Any
) -> None:
    """When the sender is among the unknown identities, nobody gets the mail."""
    session.fails(
        "MessageRejected",
        "Email address is not verified. The following identities failed the check in region "
        "EU-WEST-1: alerts@example.com, oncall@example.com",
    )
    receipt = send(make_email(), session=session)
    assert receipt.outcome == "refused"
    assert "Verify the sender" in receipt.remedy


def test_configuration_set_and_tags_are_handed_over(
    session: Any, make_email: Any, send: Any
) -> None:
    """Both reach SES under its own names."""
    email = make_email()
    session.answers(
        Content={"Raw": {"Data": email.as_bytes()}},
        Destination={"ToAddresses": ["oncall@example.com"]},
        FromEmailAddress="alerts@example.com",
        ConfigurationSetName="alerts",
        EmailTags=[{"Name": "team", "Value": "ml"}],
    )
    receipt = send(email, session=session, configuration_set="alerts", tags={"team": "ml"})
    assert receipt.outcome == "delivered"


def test_addresses_that_need_smtputf8_are_refused_one_by_one(
    ses: Any, make_email: Any, send: Any
) -> None:
    """SES has no SMTPUTF8: such recipients are refused, and only named in the headers."""
    email = make_email(to=["j\u00f8rgen@example.com", "oncall@example.com"])
    receipt = send(email, **ses.options)
    assert receipt.accepted == ("oncall@example.com",)
    assert list(receipt.refused) == ["j\u00f8rgen@example.com"]
    raw = ses.messages()[0]["raw_data"]
    assert raw.isascii()
    shown = message_from_string(raw, policy=policy.default)["To"]
    assert [address.addr_spec for address in shown.addresses] == ["oncall@example.com"]
    assert shown.groups[0].display_name == "j\u00f8rgen@example.com"
    alone = send(make_email(to="j\u00f8rgen@example.com"), **ses.options)
    assert alone.outcome == "refused"
    sender = send(make_email(sender="j\u00f8rgen@example.com"), **ses.options)
    assert sender.outcome == "refused"
    assert len(ses.messages()) == 1


def test_an_international_domain_is_no_obstacle(ses: Any, make_email: Any, send: Any) -> None:
    """A domain travels as its A-label."""
    receipt = send(make_email(to="oncall@b\u00fccher.example"), **ses.options)
    assert receipt.accepted == ("oncall@xn--bcher-kva.example",)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_child_has_connections_of_its_own(session: Any, make_email: Any) -> None:
    """A child that inherits the mailer makes a client of its own; its parent keeps its one."""
    for _ in range(3):
        session.answers()
    with Mailer("ses", options={"session": session}) as mailer:
        assert mailer.send(make_email()).delivered
        child = os.fork()
        if child == 0:
            delivered = mailer.send(make_email()).delivered
            os._exit(0 if delivered and session.clients == 2 else 1)
        _, status = os.waitpid(child, 0)
        assert status == 0
        assert mailer.send(make_email()).delivered
    assert session.clients == 1
