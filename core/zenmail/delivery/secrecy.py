"""What a mailer knows and must not tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ..clean import clean_line
from ..model import secret_values
from ..plugins import PluginHost
from ..redaction.own_secrets import own_secrets
from ..runtime.forks import defer_forks
from ..transport import TransportOptions

if TYPE_CHECKING:
    from ..tokens import AccessToken, TokenRequest

__all__ = ["Secrecy"]

_LONGEST_REASON = 1000
_TOKENS_KNOWN = 8


class Secrecy:
    """Keeps the secrets of the transports' options, and their tokens, out of every text.

    Args:
        options: The options of all transports.
        plugins: Where tokens come from.
    """

    def __init__(self, options: Iterable[TransportOptions], plugins: PluginHost) -> None:
        found = {secret for given in options for secret in secret_values(given)}
        # A secret that is part of another must not break the other one up.
        self._options = tuple(sorted(found, key=len, reverse=True))
        self._tokens: tuple[str, ...] = ()
        self._own = own_secrets(self.secrets)
        self._plugins = plugins

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not stand in any mail, log, receipt or file."""
        return (*self._options, *self._tokens)

    def fetch_token(self, source: str, request: TokenRequest) -> AccessToken:
        """Fetch a token, and know it when a server or a transport quotes it."""
        token = self._plugins.fetch_token(source, request)
        value = token.value.get_secret_value()
        if value not in self._tokens:
            self._tokens = (*self._tokens, value)[-_TOKENS_KNOWN:]
            self._own = own_secrets(self.secrets)
        return token

    def hide(self, text: str, *, shapes: bool = True) -> str:
        """Return the text without the secrets.

        Args:
            text: Any text that is to be shown or kept.
            shapes: Whether what is secret by its name or shape, and what this process knows
                of its environment and of ZenML's secrets, is taken out, too.
        """
        if not text or not shapes:
            return self._own.without(text)
        with defer_forks():
            from ..redaction.redact import redacted  # only where something fails

            return redacted(text, self.secrets)

    def tidy(self, text: str, *, shapes: bool = True) -> str:
        """Return what somebody else said as one line that holds no secret; see `hide`."""
        if not text:
            return ""
        hidden = self.hide(text, shapes=shapes)
        line = clean_line(hidden, limit=_LONGEST_REASON)
        # Cleaning may change a secret, cut it, or put it together.
        return line if line == hidden else self.hide(line, shapes=shapes)

    def tidy_all(self, reasons: Mapping[str, str]) -> dict[str, str]:
        """Return the reasons, by address, as `tidy` makes them."""
        return {address: self.tidy(why) for address, why in reasons.items()}
