"""The transport that hands each mail to Amazon SES, over its version 2 API."""

from __future__ import annotations

from .options import SESOptions
from .transport import SESTransport

__all__ = ["SESOptions", "SESTransport"]
