"""Certificates of an authority of our own for localhost."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificates:
    """Files in PEM.

    Attributes:
        server: The server's key and certificate.
        authority: The authority that issued it.
        bundle: The system's authorities and ours: what a client without a setting of its
            own trusts when SSL_CERT_FILE names it.
    """

    server: Path
    authority: Path
    bundle: Path


def issue(folder: Path) -> Certificates:
    """Write new certificates into a folder."""
    import trustme

    authority = trustme.CA()
    found = Certificates(folder / "server.pem", folder / "ca.pem", folder / "bundle.pem")
    authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        str(found.server)
    )
    authority.cert_pem.write_to_path(str(found.authority))
    system = ssl.get_default_verify_paths().openssl_cafile
    known = Path(system).read_bytes() if system and Path(system).is_file() else b""
    found.bundle.write_bytes(known + authority.cert_pem.bytes())
    return found
