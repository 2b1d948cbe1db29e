"""The SMTP transport: STARTTLS by default, one flight per mail, connections kept.

The layers, from the bottom: ``replies`` and ``dialogue`` know the protocol and no socket,
``wire`` knows the socket and no protocol; ``session`` joins them, ``pool`` keeps sessions,
``relay`` keeps all there is of one server, and ``transport`` is what the host calls.
"""

from __future__ import annotations

from .options import SMTPOptions
from .transport import SMTPTransport

__all__ = ["SMTPOptions", "SMTPTransport"]
