"""A self-signed certificate for a server on this machine."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from zenmail.errors import MissingExtra

__all__ = ["Certificate", "make_certificate"]


@dataclass(frozen=True)
class Certificate:
    """Files in PEM form.

    Attributes:
        chain: The certificate and its private key, for the server.
        authority: The certificate authority, for clients to trust.
    """

    chain: Path
    authority: Path


def make_certificate(folder: Path) -> Certificate:
    """Write a certificate for ``localhost`` and ``127.0.0.1`` into a folder.

    Raises:
        MissingExtra: Neither trustme nor the openssl command is installed.
    """
    certificate = Certificate(folder / "server.pem", folder / "authority.pem")
    if importlib.util.find_spec("trustme"):
        import trustme

        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(certificate.authority))
        issued = authority.issue_cert("localhost", "127.0.0.1")
        issued.private_key_and_cert_chain_pem.write_to_path(str(certificate.chain))
    elif openssl := shutil.which("openssl"):
        _run_openssl(openssl, certificate)
    else:
        raise MissingExtra(
            "The demo server needs a certificate, but neither trustme nor openssl is "
            "installed.",
            remedy='pip install "zenmail[local]"',
        )
    return certificate


def _run_openssl(openssl: str, certificate: Certificate) -> None:
    key = certificate.chain.with_name("key.pem")
    # Python 3.13 requires these extensions (VERIFY_X509_STRICT).
    settings = certificate.chain.with_name("openssl.cnf")
    settings.write_text(
        "[req]\nprompt=no\ndistinguished_name=name\nx509_extensions=extensions\n"
        "[name]\nCN=localhost\n"
        "[extensions]\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n"
        "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,digitalSignature,keyCertSign\n"
        "subjectKeyIdentifier=hash\n",
        encoding="ascii",
    )
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += [
        "-config",
        str(settings),
        "-keyout",
        str(key),
        "-out",
        str(certificate.authority),
    ]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=60)  # noqa: S603
    except (subprocess.SubprocessError, OSError) as error:
        raise MissingExtra(
            f"openssl failed to create a certificate: {error}",
            remedy='pip install "zenmail[local]"',
        ) from error
    certificate.chain.write_bytes(certificate.authority.read_bytes() + key.read_bytes())
