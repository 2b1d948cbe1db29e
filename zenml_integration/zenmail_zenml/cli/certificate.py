"""A certificate for a server on this machine, trusted by nobody but who is told to."""

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
        chain: The server's certificate and its private key, for the server.
        authority: What a client has to trust.
    """

    chain: Path
    authority: Path


def make_certificate(folder: Path) -> Certificate:
    """Write a certificate for ``localhost`` and ``127.0.0.1`` into a folder.

    Raises:
        MissingExtra: Neither trustme nor the openssl command is here.
    """
    made = Certificate(folder / "server.pem", folder / "authority.pem")
    if importlib.util.find_spec("trustme"):
        import trustme

        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(made.authority))
        issued = authority.issue_cert("localhost", "127.0.0.1")
        issued.private_key_and_cert_chain_pem.write_to_path(str(made.chain))
    elif openssl := shutil.which("openssl"):
        _ask_openssl(openssl, made)
    else:
        raise MissingExtra(
            "The embedded server needs a certificate, and nothing here can make one.",
            remedy='pip install "zenmail[local]"',
        )
    return made


def _ask_openssl(openssl: str, made: Certificate) -> None:
    key = made.chain.with_name("key.pem")
    # The extensions are those that Python 3.13 insists on (VERIFY_X509_STRICT).
    settings = made.chain.with_name("openssl.cnf")
    settings.write_text(
        "[req]\nprompt=no\ndistinguished_name=name\nx509_extensions=extensions\n"
        "[name]\nCN=localhost\n"
        "[extensions]\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n"
        "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,digitalSignature,keyCertSign\n"
        "subjectKeyIdentifier=hash\n",
        encoding="ascii",
    )
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-config", str(settings), "-keyout", str(key), "-out", str(made.authority)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=60)  # noqa: S603
    except (subprocess.SubprocessError, OSError) as error:
        raise MissingExtra(
            f"The openssl command makes no certificate: {error}",
            remedy='pip install "zenmail[local]"',
        ) from error
    made.chain.write_bytes(made.authority.read_bytes() + key.read_bytes())
