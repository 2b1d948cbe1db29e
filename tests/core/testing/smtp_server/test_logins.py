"""Logging in with the standard library's client."""

from __future__ import annotations

import smtplib
import ssl

import pytest

from zenmail.testing.smtp_server import SMTPServer

PASSWORD = "canary-password-7f3a"


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_mechanisms(mechanism: str) -> None:
    """The library logs in with each mechanism."""
    with SMTPServer(security="tls", users={"u": PASSWORD}, mechanisms=[mechanism]) as server:
        context = ssl.create_default_context(cafile=str(server.ca_file))
        with smtplib.SMTP_SSL("localhost", server.port, context=context) as smtp:
            smtp.login("u", PASSWORD)
        assert server.logins == ["u"]
