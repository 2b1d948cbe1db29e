"""The transport that hands each mail to Microsoft 365, over Microsoft Graph."""

from __future__ import annotations

from .options import GraphOptions
from .transport import GraphTransport

__all__ = ["GraphOptions", "GraphTransport"]
