"""The pytest plugin: fixtures for those who test alerts or transports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .captured_mail import CapturedMail

pytest.register_assert_rewrite("zenmail.testing.conformance")


@pytest.fixture
def captured_mail() -> Iterator[CapturedMail]:
    """All mail that is sent during the test, kept in memory; nothing leaves the process."""
    # pytest loads this module in every project that zenmail is installed beside.
    from .captured_mail import CapturedMail

    mail = CapturedMail()
    with mail.capturing():
        yield mail
