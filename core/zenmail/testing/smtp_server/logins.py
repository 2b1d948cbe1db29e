"""Logging in: the mechanisms of AUTH, from the server's side (RFC 4954)."""

from __future__ import annotations

import base64
import hmac
import time
from collections.abc import Callable, Collection, Mapping

__all__ = ["log_in"]


def log_in(
    mechanism: str,
    initial: str,
    users: Mapping[str, str],
    tokens: Collection[str],
    challenge: Callable[[str], str],
) -> str | None:
    """Return the user name, or None when the credentials are wrong.

    Args:
        mechanism: The mechanism, in capitals.
        initial: The client's initial response, in base64, or "".
        users: Password by user name.
        tokens: Access tokens that are good for any user.
        challenge: Sends a challenge and returns the client's answer, both in base64.

    Raises:
        ValueError: The client says something that is malformed.
        LookupError: Likewise.
    """

    def ask(what: bytes) -> str:
        return _decode(challenge(base64.b64encode(what).decode()))

    if mechanism == "CRAM-MD5":
        nonce = f"<{time.time_ns()}@test.example>".encode()
        username, _, digest = ask(nonce).rpartition(" ")
        right = hmac.new(users.get(username, "").encode(), nonce, "md5").hexdigest()
        return username if username in users and digest == right else None
    first = _decode(initial) if initial else ask(b"Username:" if mechanism == "LOGIN" else b"")
    if mechanism == "LOGIN":
        return first if users.get(first) == ask(b"Password:") else None
    if mechanism == "PLAIN":
        _, username, password = first.split("\0")
        return username if users.get(username) == password else None
    if mechanism == "XOAUTH2":
        user, bearer = first.split("\1")[:2]
        username, token = user.removeprefix("user="), bearer.removeprefix("auth=Bearer ")
    else:  # OAUTHBEARER
        header, *pairs = first.split("\1")
        fields = {name: value for name, _, value in (pair.partition("=") for pair in pairs)}
        name = header.split(",")[1].removeprefix("a=")
        username = name.replace("=2C", ",").replace("=3D", "=")
        token = fields["auth"].removeprefix("Bearer ")
    if token not in tokens:
        # The client has to confirm that it was told (RFC 7628, 3.2.3).
        challenge(base64.b64encode(b'{"status":"401"}').decode())
        return None
    return username


def _decode(text: str) -> str:
    return base64.b64decode(text, validate=True).decode("utf-8")
