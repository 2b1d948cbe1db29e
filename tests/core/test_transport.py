"""A transport's options, and its hooks when they fail."""

from __future__ import annotations

import copy
import pickle
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import Field, SecretStr

from zenmail import (
    Check,
    Email,
    Mailer,
    OptionsError,
    PluginHost,
    Receipt,
    SendRequest,
    TransportOptions,
    VerifyRequest,
    hookimpl,
)

pytestmark = pytest.mark.extras


class _Options(TransportOptions):
    url: str
    password: SecretStr = SecretStr("")
    retries: int = Field(default=1, ge=0)


def make_email(**changes: Any) -> Email:
    """Return a mail."""
    values: dict[str, Any] = {"sender": "a@example.com", "to": "b@example.com", "subject": "s"}
    return Email(**{**values, **changes})


class Accepts:
    """A transport that accepts every mail."""

    @hookimpl
    def transport_options(self) -> type[TransportOptions]:
        return TransportOptions

    @hookimpl
    def send_email(self, request: SendRequest[Any]) -> Receipt:
        return Receipt(accepted=request.envelope.recipients)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "'url' is required."),
        (
            {"url": "x", "uri": "y"},
            "'uri' is not an option; there are: password, retries, url.",
        ),
        ({"url": "x", "retries": "canary-password-7f3a"}, "retries: "),
        ({"url": "x", "retries": -1}, "retries: "),
        ({"url": "x", "password": {"a": "canary-password-7f3a"}}, "password: "),
    ],
)
def test_wrong_options_are_named_without_their_values(
    values: dict[str, Any], says: str
) -> None:
    """One error for the user, with the transport's name and no secret."""
    with pytest.raises(OptionsError) as caught:
        _Options.parse(values, transport="own")
    assert str(caught.value).startswith("own: ")
    assert says in str(caught.value)
    assert "canary-password-7f3a" not in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_secrets_stay_out_of_the_repr() -> None:
    """Options are logged and shown; passwords are not."""
    options = _Options.parse({"url": "x", "password": "canary-password-7f3a"}, transport="own")
    assert "canary-password-7f3a" not in f"{options!r} {options}"


def test_options_with_a_secret_are_not_pickled() -> None:
    """A pickle would show the password in clear; options without one travel as ever."""
    open_ = _Options.parse({"url": "x"}, transport="own")
    assert pickle.loads(pickle.dumps(open_)) == open_
    options = _Options.parse({"url": "x", "password": "canary-password-7f3a"}, transport="own")
    with pytest.raises(TypeError, match="it holds secrets") as caught:
        pickle.dumps(options)
    assert "canary-password-7f3a" not in str(caught.value)
    assert copy.deepcopy(options) == options


def test_no_receipt_is_an_unknown_outcome(host: PluginHost) -> None:
    """A transport that returns something else may have sent the mail."""
    host.register_transport("none", type("Plugin", (Accepts,), {
        "send_email": hookimpl(lambda self, request: True)}))  # fmt: skip
    with Mailer("none", plugins=host) as mailer:
        receipt = mailer.send(make_email())
    assert receipt.outcome == "unknown"
    assert receipt.code == "transport-broken"


def test_a_verification_that_fails_is_a_failed_check(host: PluginHost) -> None:
    """Whatever ``verify_transport`` raises is shown with the transport's name."""

    class Unverifiable(Accepts):
        @hookimpl
        def verify_transport(self, request: VerifyRequest[Any]) -> None:
            raise ZeroDivisionError("oops")

    host.register_transport("bad", Unverifiable)
    with Mailer("bad", plugins=host) as mailer:
        (check,) = mailer.verify()["bad"]
    assert check.status == "failed"
    assert "ZeroDivisionError: oops" in check.detail
    assert "'bad'" in check.remedy


def test_the_host_measures_each_check(host: PluginHost) -> None:
    """A check that names no time has that until it was yielded; one that does keeps it."""

    class Verifies(Accepts):
        @hookimpl
        def verify_transport(self, request: VerifyRequest[Any]) -> Iterator[Check]:
            time.sleep(0.02)
            yield Check("slow", "passed")
            yield Check("own", "passed", seconds=7.0)
            yield Check("none", "skipped")

    host.register_transport("good", Verifies)
    with Mailer("good", plugins=host) as mailer:
        slow, own, skipped = mailer.verify()["good"]
    assert slow.seconds >= 0.02
    assert (own.seconds, skipped.seconds) == (7.0, 0.0)


def test_trouble_while_closing_is_logged(
    host: PluginHost, caplog: pytest.LogCaptureFixture
) -> None:
    """A transport that does not close costs nobody their mail."""

    class Unclosable(Accepts):
        @hookimpl
        def close_transport(self) -> None:
            raise OSError("stuck")

    host.register_transport("bad", Unclosable)
    with Mailer("bad", plugins=host) as mailer:
        assert mailer.send(make_email()).delivered
    assert "'bad' could not be closed: OSError." in caplog.text
