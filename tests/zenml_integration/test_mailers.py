"""Mailers that are kept: shared, bounded, never closed under somebody's feet."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Any

import pytest

from zenmail import Mailer, OptionsError
from zenmail_zenml.mailers import MailerCache
from zenmail_zenml.settings import Resolved, layer, resolve

pytestmark = pytest.mark.zenml


def settings(**values: Any) -> Resolved:
    """Return settings that send on the console."""
    given = {"transport": "console", "sender_email": "a@example.com", **values}
    return resolve(given, replace=lambda value: value)


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[Mailer]:
    """The mailers that were closed."""
    seen: list[Mailer] = []
    monkeypatch.setattr(Mailer, "close", lambda mailer: seen.append(mailer))
    return seen


def test_equal_settings_share_a_mailer(closed: list[Mailer]) -> None:
    """What has no part in the delivery, such as the recipient, makes no other mailer."""
    cache = MailerCache()
    with cache.lease(settings(recipient_email="b@example.com")) as one:
        pass
    with cache.lease(settings(recipient_email="c@example.com", subject_prefix="[x]")) as two:
        pass
    with cache.lease(settings(deadline=5)) as three:
        pass
    assert one is two
    assert three is not one
    assert not closed


def test_the_oldest_is_closed_when_nobody_uses_it(closed: list[Mailer]) -> None:
    """More settings than places close the least recently used, but none that is lent."""
    cache = MailerCache(most=1)
    with cache.lease(settings(deadline=1)) as lent:
        with cache.lease(settings(deadline=2)) as second:
            pass
        assert closed == []
        with cache.lease(settings(deadline=3)):
            assert closed == [second]
    assert closed == [second, lent]
    cache.close()
    assert len(closed) == 3


def test_threads_make_one_mailer(closed: list[Mailer]) -> None:
    """Steps that post at the same time share one mailer, too."""
    cache = MailerCache()
    seen: list[Mailer] = []
    gate = threading.Barrier(8)

    def use() -> None:
        gate.wait()
        with cache.lease(settings()) as mailer:
            seen.append(mailer)

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert len(set(map(id, seen))) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_process_has_mailers_of_its_own(closed: list[Mailer]) -> None:
    """Connections are neither used nor ended on both sides of a fork."""
    cache = MailerCache()
    with cache.lease(settings()) as parents:
        pass
    child = os.fork()
    if not child:
        code = 1
        with contextlib.suppress(BaseException):
            cache.close()
            with cache.lease(settings()) as childs:
                code = int(childs is parents or bool(closed))
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with cache.lease(settings()) as kept:
        assert kept is parents


def test_no_secret_is_kept_as_a_key() -> None:
    """The keys are digests; the password is nowhere in them."""
    cache = MailerCache()
    with cache.lease(
        settings(transport="smtp", smtp_server="localhost", password="canary-password-7f3a")
    ):
        assert "canary-password-7f3a" not in repr(cache._kept)
    cache.close()


def test_narrower_scopes_win_setting_by_setting() -> None:
    """The last scope that sets a value decides; None sets nothing, and "" does."""
    merged = layer(
        [
            {"recipient_email": "a@example.com", "subject_prefix": "[a]", "deadline": 1},
            {"recipient_email": "b@example.com", "subject_prefix": None},
            {"recipient_email": "c@example.com", "cc": "", "subject_prefix": ""},
        ]
    )
    assert merged == {
        "recipient_email": "c@example.com",
        "subject_prefix": "",
        "deadline": 1,
        "cc": "",
    }


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ({"transport_options": {"port": 25}}, {"smtp_port": 26}, {"port": 26}),
        ({"transport_options": '{"port": 25}'}, {"smtp_port": 26}, {"port": 26}),
        ({"smtp_port": 25}, {"transport_options": {"port": 26}}, {"port": 26}),
        ({"transport_options": {"port": 25, "oauth": "x"}}, {"smtp_port": 26},
         {"port": 26, "oauth": "x"}),
        ({"smtp_port": 25, "transport_options": {"oauth": "x"}}, {"transport": "console"}, {}),
        ({"transport": "console", "transport_options": {"html_folder": "x"}},
         {"transport": "smtp", "smtp_port": 26}, {"port": 26}),
    ],
)  # fmt: skip
def test_options_follow_their_transport(
    wide: dict[str, Any], narrow: dict[str, Any], expected: dict[str, Any]
) -> None:
    """A flat setting wins over a wider scope's option; options go with their transport."""
    merged = layer([wide, narrow])
    assert resolve(merged, replace=lambda value: value).options() == expected


SECRETS = {
    "{{mail.to}}": "b@example.com",
    "{{mail.team}}": "c@example.com, d@example.com",
    "{{mail.options}}": '{"host": "localhost", "port": 25, "oauth": "x"}',
}


def look_up(value: Any) -> Any:
    """Put secrets in place of references, as ZenML's store would."""
    if isinstance(value, dict):
        return {name: look_up(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [look_up(item) for item in value]
    return SECRETS.get(value, value) if isinstance(value, str) else value


@pytest.mark.parametrize(
    "given",
    [
        "{{mail.to}}, {{mail.team}}",
        '["{{mail.to}}", "{{mail.team}}"]',
        ["{{mail.to}}", "{{mail.team}}"],
        "b@example.com; {{mail.team}}",
    ],
)
def test_a_reference_may_stand_in_a_list(given: Any) -> None:
    """For one address or for several, with commas and in JSON."""
    chosen = resolve({"recipient_email": given}, replace=look_up)
    assert chosen.recipient_email == ("b@example.com", "c@example.com", "d@example.com")


def test_a_flat_setting_wins_over_options_that_are_a_reference() -> None:
    """The options are read for that; without a narrower setting they are not."""
    scopes: list[dict[str, Any]] = [
        {"transport_options": "{{mail.options}}"},
        {"smtp_port": 26},
    ]
    merged = layer(scopes, replace=look_up)
    options = resolve(merged, replace=look_up).options()
    assert options == {"host": "localhost", "port": 26, "oauth": "x"}
    assert layer(scopes[:1], replace=look_up) == scopes[0]


def test_options_of_several_fallbacks_go_by_name() -> None:
    """Each fallback gets its own options; those of nobody are refused."""
    chosen = settings(
        fallback_transport="file, console", fallback_options={"file": {"folder": "mails"}}
    )
    assert chosen.fallbacks() == [("file", {"folder": "mails"}), ("console", {})]
    with pytest.raises(OptionsError, match="none of the fallbacks"):
        settings(
            fallback_transport="file, console", fallback_options={"folder": "mails"}
        ).fallbacks()
