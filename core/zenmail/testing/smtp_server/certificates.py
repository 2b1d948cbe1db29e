"""Certificates that a client under test trusts, or does not."""

from __future__ import annotations

import ssl
from datetime import datetime
from pathlib import Path

__all__ = ["Authority"]


class Authority:
    """A throwaway certificate authority, from trustme.

    Args:
        folder: Where ``ca_file`` is written.
    """

    def __init__(self, folder: Path) -> None:
        import trustme

        self._ca = trustme.CA()
        self.ca_file = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(str(self.ca_file))

    def context(
        self,
        *names: str,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
    ) -> ssl.SSLContext:
        """Return a server's context with a certificate for these names.

        Args:
            names: Host names and IP addresses; localhost and 127.0.0.1 by default.
            not_before: When the certificate begins to be valid.
            not_after: When it expires.
        """
        certificate = self._ca.issue_cert(
            *(names or ("localhost", "127.0.0.1")),
            not_before=not_before,
            not_after=not_after,
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        return context
