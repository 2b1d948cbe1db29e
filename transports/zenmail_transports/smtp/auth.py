"""Logging in (RFC 4954), as dialogues without I/O."""

import base64
import hmac
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from pydantic import SecretStr

from zenmail import Deadline, DeadlineExceeded, FetchToken, PermanentFailure
from zenmail.runtime.forks import defer_forks
from zenmail.runtime.timeouts import CallTimedOut, call_with_timeout

from .advice import failure
from .dialogue import Capabilities, Dialogue, Flight
from .options import SMTPOptions
from .replies import Reply

if TYPE_CHECKING:
    from zenmail import AccessToken

__all__ = ["Credentials", "Login", "TokenRefused", "log_in"]

_WHAT = "the login"
# Tokens are renewed this long before they expire, in seconds.
_TOKEN_MARGIN = 60.0
# RFC 4954, 4: "Unrecognized authentication type"; 534 5.7.9 is no such case.
_OTHER_MECHANISM = frozenset({"5.5.4", "5.7.4"})


class Credentials(NamedTuple):
    """Who logs in, and with what.

    Attributes:
        username: The account.
        secret: Password, or OAuth 2 access token.
        oauth: Whether the secret is a token.
        host: The server's name, which OAUTHBEARER repeats.
        port: The server's port.
    """

    username: str
    secret: SecretStr
    oauth: bool = False
    host: str = ""
    port: int = 0


class TokenRefused(PermanentFailure):
    """The server does not take the access token."""

    default_code = "auth-refused"


class Login:
    """What is kept of logging in to one server.

    Args:
        options: The server's options.
    """

    def __init__(self, options: SMTPOptions) -> None:
        self._options = options
        self._token: AccessToken | None = None

    def credentials(
        self, deadline: Deadline, fetch_token: FetchToken, *, refresh: bool = False
    ) -> Credentials | None:
        """Return what to log in with, or None when nobody is to.

        Raises:
            ConfigurationError: The token source is unusable.
            DeliveryError: No token was issued.
        """
        options = self._options
        if options.oauth:
            secret = self._access_token(deadline, fetch_token, refresh=refresh).value
        elif options.password is not None:
            secret = options.password
        else:
            return None
        return Credentials(
            options.username, secret, bool(options.oauth), options.host, options.port
        )

    def _access_token(
        self, deadline: Deadline, fetch_token: FetchToken, *, refresh: bool
    ) -> "AccessToken":
        token = self._token
        if token is None or refresh or token.expires_within(_TOKEN_MARGIN):
            with defer_forks():
                from zenmail import TokenRequest
            wanted = TokenRequest(
                account=self._options.username,
                scopes=(),
                deadline=deadline,
                options=self._options.oauth_options,
                refresh=refresh,
            )
            try:
                token = call_with_timeout(
                    lambda: fetch_token(self._options.oauth, wanted), deadline.remaining()
                )
            except (CallTimedOut, TimeoutError):
                raise DeadlineExceeded(
                    f"The token source {self._options.oauth!r} did not answer by the deadline.",
                    remedy="Check the network between here and the token's issuer.",
                ) from None
            self._token = token
        return token


def log_in(credentials: Credentials, capabilities: Capabilities) -> Dialogue[str]:
    """Log in with the best mechanism that both sides know.

    Returns:
        The mechanism's name.

    Raises:
        PermanentFailure: There is none, or the credentials are refused.
        TemporaryFailure: The server cannot tell now.
    """
    known = _TOKEN_MECHANISMS if credentials.oauth else _PASSWORD_MECHANISMS
    common = [name for name in known if name in capabilities.mechanisms]
    if not common:
        raise _nothing_in_common(credentials, capabilities)
    if "CRAM-MD5" in common and not _md5_allowed():
        common.remove("CRAM-MD5")
        if not common:
            raise PermanentFailure(
                "The server offers no login but CRAM-MD5, and this machine forbids MD5 (FIPS), "
                "so no credentials were sent.",
                code="auth-missing",
                remedy="Have the server's administrators offer PLAIN over TLS, or use another "
                "relay.",
            )
    while True:
        name = common.pop(0)
        reply = yield from known[name](credentials)
        if reply.code == 235:
            return name
        if not (common and _wants_another(reply)):
            break
    error = failure(reply, "auth")
    if credentials.oauth and isinstance(error, PermanentFailure):
        raise TokenRefused(error.message, remedy=error.remedy)
    raise error


def _wants_another(reply: Reply) -> bool:
    return reply.code == 504 or (reply.permanent and reply.enhanced in _OTHER_MECHANISM)


def _nothing_in_common(
    credentials: Credentials, capabilities: Capabilities
) -> PermanentFailure:
    offered = ", ".join(capabilities.mechanisms)
    if not offered:
        return PermanentFailure(
            "The server offers no login, so no credentials were sent.",
            code="auth-missing",
            remedy="Leave out `username` and `password` if it is a relay without a login; "
            "otherwise set `port` to its submission port, 587 or 465.",
        )
    if not credentials.oauth and {"XOAUTH2", "OAUTHBEARER"} & {*capabilities.mechanisms}:
        remedy = "Set `oauth` to 'google' or 'microsoft': the server does not accept passwords."
    else:
        remedy = "Use another account or relay, or ask its administrators to offer PLAIN."
    return PermanentFailure(
        f"The server supports only login methods that do not fit these credentials: {offered}.",
        code="auth-missing",
        remedy=remedy,
    )


def _b64(text: str) -> bytes:
    return base64.b64encode(text.encode("utf-8"))


def _at_once(name: bytes, answer: bytes, *, again: bytes) -> Dialogue[Reply]:
    """Log in with an initial response, which saves a round trip; `again` if it is asked for."""
    (reply,) = yield Flight([b"AUTH %b %b\r\n" % (name, answer)], what=_WHAT)
    if reply.code == 334:
        (reply,) = yield Flight([again + b"\r\n"], what=_WHAT)
    return reply


def _plain(credentials: Credentials) -> Dialogue[Reply]:
    """RFC 4616."""
    answer = _b64(f"\0{credentials.username}\0{credentials.secret.get_secret_value()}")
    return _at_once(b"PLAIN", answer, again=answer)


def _login(credentials: Credentials) -> Dialogue[Reply]:
    """draft-murchison-sasl-login."""
    (reply,) = yield Flight([b"AUTH LOGIN\r\n"], what=_WHAT)
    for word in (credentials.username, credentials.secret.get_secret_value()):
        if reply.code != 334:
            break
        (reply,) = yield Flight([_b64(word) + b"\r\n"], what=_WHAT)
    return reply


def _md5_allowed() -> bool:
    try:
        hmac.new(b"", b"", "md5")
    except ValueError:
        return False
    return True


def _cram_md5(credentials: Credentials) -> Dialogue[Reply]:
    """RFC 2195."""
    (reply,) = yield Flight([b"AUTH CRAM-MD5\r\n"], what=_WHAT)
    if reply.code != 334:
        return reply
    try:
        challenge = base64.b64decode(reply.lines[0], validate=True)
    except ValueError:
        challenge = b""
    key = credentials.secret.get_secret_value().encode("utf-8")
    digest = hmac.new(key, challenge, "md5").hexdigest()
    answer = _b64(f"{credentials.username} {digest}")
    (reply,) = yield Flight([answer + b"\r\n"], what=_WHAT)
    return reply


def _xoauth2(credentials: Credentials) -> Dialogue[Reply]:
    """https://developers.google.com/gmail/imap/xoauth2-protocol."""
    token = credentials.secret.get_secret_value()
    answer = _b64(f"user={credentials.username}\1auth=Bearer {token}\1\1")
    # What it asks is the error as JSON; an empty line ends the exchange.
    return _at_once(b"XOAUTH2", answer, again=b"")


def _oauthbearer(credentials: Credentials) -> Dialogue[Reply]:
    """RFC 7628, 3."""
    user = credentials.username.replace("=", "=3D").replace(",", "=2C")
    token = credentials.secret.get_secret_value()
    answer = _b64(
        f"n,a={user},\1host={credentials.host}\1port={credentials.port}\1"
        f"auth=Bearer {token}\1\1"
    )
    return _at_once(b"OAUTHBEARER", answer, again=b"AQ==")


_Mechanism = Callable[[Credentials], Dialogue[Reply]]
_PASSWORD_MECHANISMS: dict[str, _Mechanism] = {
    "PLAIN": _plain,
    "LOGIN": _login,
    "CRAM-MD5": _cram_md5,
}
_TOKEN_MECHANISMS: dict[str, _Mechanism] = {"XOAUTH2": _xoauth2, "OAUTHBEARER": _oauthbearer}
