"""Logging in: the mechanisms of AUTH, from the server's side (RFC 4954)."""

from __future__ import annotations

import base64
import hmac
import time
from collections.abc import Callable, Collection, Mapping

__all__ = ["Login"]


class Login:
    """One attempt to log in.

    Args:
        users: Password by user name.
        tokens: Access tokens that are good for any user.
        ask: Sends a challenge and returns the client's answer, both in base64.
    """

    def __init__(
        self, users: Mapping[str, str], tokens: Collection[str], ask: Callable[[str], str]
    ) -> None:
        self._users = users
        self._tokens = tokens
        self._challenge = ask

    def attempt(self, mechanism: str, initial: str) -> str | None:
        """Return the user name, or None when the credentials are wrong.

        Args:
            mechanism: The mechanism, in capitals.
            initial: The client's initial response, in base64, or "".

        Raises:
            ValueError: The client says something that is malformed.
            IndexError: Likewise.
        """
        mechanisms: dict[str, Callable[[str], str | None]] = {
            "PLAIN": self._plain,
            "LOGIN": self._login,
            "CRAM-MD5": self._cram_md5,
            "XOAUTH2": self._xoauth2,
            "OAUTHBEARER": self._oauthbearer,
        }
        return mechanisms[mechanism](initial)

    def _ask(self, challenge: bytes) -> str:
        return _decode(self._challenge(base64.b64encode(challenge).decode()))

    def _plain(self, initial: str) -> str | None:
        answer = _decode(initial) if initial else self._ask(b"")
        _, username, password = answer.split("\0")
        return self._check(username, password)

    def _login(self, initial: str) -> str | None:
        username = _decode(initial) if initial else self._ask(b"Username:")
        return self._check(username, self._ask(b"Password:"))

    def _cram_md5(self, initial: str) -> str | None:
        challenge = f"<{time.time_ns()}@test.example>".encode()
        username, _, digest = self._ask(challenge).rpartition(" ")
        key = self._users.get(username)
        if key is None:
            return None
        right = hmac.new(key.encode(), challenge, "md5").hexdigest()
        return username if hmac.compare_digest(right, digest) else None

    def _xoauth2(self, initial: str) -> str | None:
        user, bearer = _decode(initial).split("\1")[:2]
        return self._check_token(
            user.removeprefix("user="), bearer.removeprefix("auth=Bearer ")
        )

    def _oauthbearer(self, initial: str) -> str | None:
        header, *pairs = _decode(initial).split("\1")
        fields = {name: value for name, _, value in (pair.partition("=") for pair in pairs)}
        user = header.split(",")[1].removeprefix("a=").replace("=2C", ",").replace("=3D", "=")
        return self._check_token(user, fields["auth"].removeprefix("Bearer "))

    def _check(self, username: str, password: str) -> str | None:
        return username if self._users.get(username) == password else None

    def _check_token(self, username: str, token: str) -> str | None:
        if token in self._tokens:
            return username
        # The client has to confirm that it was told (RFC 7628, 3.2.3).
        self._challenge(base64.b64encode(b'{"status":"401"}').decode())
        return None


def _decode(text: str) -> str:
    return base64.b64decode(text, validate=True).decode("utf-8")
