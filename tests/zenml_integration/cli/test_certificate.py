"""The demo server's certificate, with and without trustme."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from zenmail.errors import MissingExtra
from zenmail_zenml.cli import certificate

pytestmark = pytest.mark.once


def test_certificate_without_trustme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without trustme the openssl command makes a certificate that clients accept."""
    import shutil
    import ssl

    from zenmail import Email, Mailer
    from zenmail.testing.smtp_server import SMTPServer

    if shutil.which("openssl") is None:
        pytest.skip("no openssl command here")
    monkeypatch.setitem(sys.modules, "trustme", None)
    made = certificate.make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.chain)
    with SMTPServer(tls=context) as server:
        options = {"host": "localhost", "port": server.port, "ca_file": str(made.authority)}
        with Mailer("smtp", options=options) as mailer:
            email = Email(sender="a@example.com", to=["b@example.com"], subject="s", text="t")
            assert mailer.send(email).outcome == "delivered"


def test_certificate_without_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without trustme and openssl the error names the pip command."""
    monkeypatch.setitem(sys.modules, "trustme", None)
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(MissingExtra, match=r"zenmail\[local\]"):
        certificate.make_certificate(tmp_path)
