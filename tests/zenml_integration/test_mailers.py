"""Mailers that are kept: shared, bounded, never closed under somebody's feet."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Any

import pytest

from zenmail import ConfigurationError, Mailer
from zenmail_zenml.mailers import MailerCache
from zenmail_zenml.settings import Resolved, resolve

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
    cache = MailerCache(capacity=1)
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
        assert "canary-password-7f3a" not in repr(cache._entries)
    cache.close()


@pytest.mark.parametrize("nested", [{1: "x", "a": "y"}, {("a", "b"): "x"}])
def test_options_with_odd_names_are_an_error_of_ours(nested: dict[Any, str]) -> None:
    """A post with them is logged as not sent, and fails no step."""
    given = settings(transport_options={"oauth_options": nested})
    with pytest.raises(ConfigurationError, match="Invalid option"), MailerCache().lease(given):
        pass
