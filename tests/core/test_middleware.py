"""The chain of middleware, and what goes wrong in it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from zenmail import (
    Alert,
    Email,
    Envelope,
    Mailer,
    PluginHost,
    Receipt,
    hookimpl,
)

pytestmark = pytest.mark.extras


def make_email(**changes: Any) -> Email:
    """Return a mail."""
    values: dict[str, Any] = {"sender": "a@example.com", "to": "b@example.com", "subject": "s"}
    return Email(**{**values, **changes})


class Tag:
    """Middleware that marks what it sees."""

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self.receipts: list[Receipt] = []

    @hookimpl
    def before_render(self, alert: Alert) -> Alert:
        """Mark the title."""
        return alert.replace(title=alert.title + self.mark)

    @hookimpl
    def before_send(self, email: Email, envelope: Envelope) -> Email:
        """Mark the subject."""
        return email.replace(subject=email.subject + self.mark)

    @hookimpl
    def after_send(self, receipt: Receipt, email: Email) -> None:
        """Keep the receipt."""
        self.receipts.append(receipt)


def test_middleware_forms_a_chain(host: PluginHost, memory: Any) -> None:
    """Each sees what the one before it made, and all see what became of it."""
    tags = [Tag("1"), Tag("2")]
    for tag in tags:
        host.register_middleware(f"tag-{tag.mark}", tag)
    with Mailer("memory", plugins=host) as mailer:
        receipt = mailer.send_alert(
            Alert(title="t"), sender="a@example.com", to="b@example.com"
        )
    assert memory.requests[0].email.subject == "t1212"
    assert [tag.receipts for tag in tags] == [[receipt], [receipt]]


def test_middleware_may_ask_for_its_place(host: PluginHost) -> None:
    """``tryfirst`` comes before all others, ``trylast`` after them."""

    def plugin(mark: str, *, first: bool = False, last: bool = False) -> object:
        class Plugin:
            @hookimpl(tryfirst=first, trylast=last)
            def before_render(self, alert: Alert) -> Alert:
                return alert.replace(title=alert.title + mark)

        return Plugin()

    host.register_middleware("last", plugin("4", last=True))
    host.register_middleware("b", plugin("2"))
    host.register_middleware("c", plugin("3"))
    host.register_middleware("first", plugin("1", first=True))
    assert host.middleware.before_render(Alert(title="")).title == "1234"


def test_middleware_may_leave_things_as_they_are(host: PluginHost, memory: Any) -> None:
    """None stands for no change, and a hook may take fewer arguments."""

    class Watch:
        @hookimpl
        def before_send(self, envelope: Envelope) -> None:
            self.seen = envelope

    watch = Watch()
    host.register_middleware("watch", watch)
    with Mailer("memory", plugins=host) as mailer:
        mailer.send(make_email())
    assert watch.seen.recipients == ("b@example.com",)
    assert memory.requests[0].email.subject == "s"


@pytest.mark.parametrize("hook", ["before_render", "before_send", "after_send"])
def test_broken_middleware_does_not_stop_the_alert(
    host: PluginHost, memory: Any, caplog: pytest.LogCaptureFixture, hook: str
) -> None:
    """It is named in the log; the next in the chain gets what the one before it made."""
    arguments = {"before_render": "alert", "before_send": "email", "after_send": "receipt"}
    namespace: dict[str, Any] = {}
    exec(f"def {hook}(self, {arguments[hook]}): raise KeyError('oops')", namespace)
    host.register_middleware("tag", Tag("1"))
    host.register_middleware("bad", type("Bad", (), {hook: hookimpl(namespace[hook])})())
    host.register_middleware("tag-2", Tag("2"))
    with Mailer("memory", plugins=host) as mailer:
        receipt = mailer.send_alert(
            Alert(title="t"), sender="a@example.com", to="b@example.com"
        )
    assert receipt.delivered
    assert memory.requests[0].email.subject == "t1212"
    assert "Plugin 'bad' fails; the alert goes on without it. KeyError: 'oops'" in caplog.text


def test_slow_middleware_is_named(
    host: PluginHost, memory: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Who keeps an alert waiting is named in the log, and nobody else is."""

    class Slow:
        @hookimpl
        def before_send(self) -> None:
            time.sleep(1.1)

    host.register_middleware("tag", Tag("1"))
    host.register_middleware("slow", Slow())
    with Mailer("memory", plugins=host) as mailer:
        assert mailer.send(make_email()).delivered
    (said,) = [record.getMessage() for record in caplog.records if "used" in record.message]
    assert said.startswith("Plugin 'slow' used ")


def test_middleware_that_returns_nonsense_is_named(
    host: PluginHost, memory: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Anything but a mail is left out, and the log says whose it was."""

    class Confused:
        @hookimpl
        def before_send(self, email: Email) -> Any:
            return email.subject

    host.register_middleware("confused", Confused())
    with Mailer("memory", plugins=host) as mailer:
        assert mailer.send(make_email()).delivered
    assert "Plugin 'confused' returned str from before_send" in caplog.text


def test_what_middleware_returns_is_checked(
    host: PluginHost, memory: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """An alert or a mail that was made around the checks costs nobody a mail."""

    class Careless:
        @hookimpl
        def before_render(self, alert: Alert) -> Alert:
            return Alert.model_construct(title="x", severity="loud")

        @hookimpl
        def before_send(self, email: Email) -> Email:
            return Email.model_construct(sender=None)

    host.register_middleware("careless", Careless())
    with Mailer("memory", plugins=host) as mailer:
        receipt = mailer.send_alert(Alert(title="t"), sender="a@x.com", to="b@x.com")
    assert receipt.delivered
    assert memory.requests[0].email.subject == "t"
    assert caplog.text.count("Plugin 'careless' fails; the alert goes on without it.") == 2


def test_middleware_cannot_change_a_receipt(host: PluginHost, memory: Any) -> None:
    """What the sender and other plugins are told is what the transport said."""
    seen: list[Receipt] = []

    class Forger:
        @hookimpl
        def after_send(self, receipt: Receipt) -> None:
            seen.append(receipt)
            receipt.refused["x@example.com"] = "forged"

    host.register_middleware("one", Forger())
    host.register_middleware("two", Forger())
    with Mailer("memory", plugins=host) as mailer:
        receipt = mailer.send(make_email())
    assert receipt.refused == {}
    assert seen[0] is not seen[1]
