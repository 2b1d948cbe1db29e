"""What to do about what a server, or the network, answers."""

from __future__ import annotations

import errno
import ssl

from zenmail import DeliveryError, MailTooLarge, PermanentFailure, TemporaryFailure
from zenmail.patterns import pattern

from .replies import Reply

__all__ = [
    "CUT_OFF",
    "NO_UNICODE",
    "advise",
    "connect_failure",
    "failure",
    "quota_used_up",
    "tls_failure",
    "too_many_recipients",
]

_OAUTH = (
    "Microsoft does not accept passwords here: set `oauth` to 'microsoft' (pip install "
    '"zenmail[oauth]") and leave the password out.'
)
_GMAIL = (
    "Create an app password at https://myaccount.google.com/apppasswords (it needs 2-step "
    "verification) and use it as the password, or set `oauth` to 'google'."
)
_LOGIN = "Check `username` and `password`. A relay's login is often not the mailbox's."
_ANONYMOUS = (
    "Set `username` and `password`, or `oauth`: the server does not accept anonymous mail."
)
_EHLO = (
    "Set `ehlo_name` to this machine's full name: the server does not accept the current one."
)
_CLIENT_CERTIFICATE = "The server asks for a client certificate: set `client_cert_file`."
NO_UNICODE = "The server does not support non-ASCII addresses: use ASCII ones."
CUT_OFF = (
    "A firewall or a proxy that inspects TLS may cut the connection, or the server may reject "
    "this machine. Try from another network, and ask the administrators to allow it."
)
_SENDER = "Use a sender address that this login may send from."
_SEND_AS = (
    "The login may not send as this sender: use its own address, or have the administrators "
    "grant it 'Send as'."
)
_QUOTA = "The provider's quota is used up: wait, or send through an account with a larger one."
_MAILBOX = "Check the recipient's address."
_POLICY = "The server's policy refuses the mail; its answer says why. Ask its administrators."
_TOO_LARGE = "Send smaller attachments, or links to them."

# Keyed by code and enhanced code, first match wins; "" stands for any. From the
# providers' own lists: https://support.google.com/a/answer/3726730,
# https://learn.microsoft.com/exchange/mail-flow-best-practices/non-delivery-reports-in-exchange-online,
# https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-smtp.html.
_BY_CODE: dict[tuple[int, str], str] = {
    (534, "5.7.9"): _GMAIL,
    (535, "5.7.139"): _OAUTH,
    (550, "5.7.30"): _OAUTH,
    (535, "5.7.3"): "The server does not accept this login. With OAuth for Microsoft 365, "
    "check that the service principal was made with the object ID of the enterprise "
    "application, and that SMTP AUTH is enabled for the mailbox.",
    (550, "5.7.60"): _SEND_AS,
    (554, "5.2.252"): _SEND_AS,
    (550, "5.4.5"): _QUOTA + " Gmail's resets within 24 hours.",
    (550, "5.7.515"): "The sender's domain fails the receiver's rules for bulk mail: publish "
    "SPF, DKIM and DMARC for it, or send through a relay that signs for the domain.",
    (550, "5.7.26"): "The sender's domain is not authenticated: publish SPF or DKIM for it, or "
    "use a sender address of a domain that this relay may send for.",
    (554, "5.2.2"): "The sender's own mailbox is full: clear it, wait until its quota "
    "recovers, or send through another account.",
    (432, "4.3.2"): "The mailbox sends more mails a minute, or over more connections at once, "
    "than the server allows: lower `rate` or `connections`.",
}
_BY_ENHANCED: dict[str, str] = {
    "5.7.8": _LOGIN,
    "5.7.9": _GMAIL,
    "5.7.30": _OAUTH,
    "5.7.57": _ANONYMOUS,
    "5.7.139": _OAUTH,
    "5.7.60": _SENDER,
    "5.4.5": _QUOTA,
    "4.7.28": "The provider limits how fast this account may send; try again later.",
    "5.7.515": "Publish SPF, DKIM and DMARC for the sender's domain.",
    "5.7.14": "Log in to the account in a browser once and confirm it is you, or set `oauth`.",
    "5.1.1": _MAILBOX,
    "5.1.2": "Check the domain of the recipient's address.",
    "5.1.3": _MAILBOX,
    "5.1.8": "Check the domain of the sender's address; the server does not know it.",
    "5.1.10": _MAILBOX,
    "5.2.1": "The recipient's mailbox is disabled: choose another recipient.",
    "5.2.2": "The recipient's mailbox is full: choose another, or have it cleared.",
    "4.2.2": "The recipient's mailbox is full: choose another, or have it cleared.",
    "5.3.4": _TOO_LARGE,
    "5.2.3": _TOO_LARGE,
    "5.5.2": "Update zenmail; if it keeps happening, report it with the server's answer.",
    "5.6.7": NO_UNICODE,
    "5.6.9": NO_UNICODE,
}
_BY_PHASE = {
    "auth": _LOGIN,
    "sender": _SENDER,
    "recipient": _MAILBOX,
    "body": _POLICY,
    "data": _POLICY,
    "greeting": (
        "The server does not accept mail from this machine; ask its administrators, or "
        "use another server."
    ),
    "ehlo": _EHLO,
    "starttls": "Ask its administrators, or set `security` to 'tls' and `port` to 465.",
}


_ABOUT_EHLO = pattern(r"\b(?:helo|ehlo)\b")
_ABOUT_UNICODE = pattern(r"smtputf8|internationali[sz]ed|non-?ascii")
_ABOUT_LOGIN = pattern(
    r"authentication (?:is )?(?:required|needed|mandatory)|requires authentication|"
    r"(?:must|need to|have to|please) (?:first )?(?:log ?in|authenticate|be authenticated)|"
    r"not (?:logged in|authenticated)|unauthenticated"
)
_ABOUT_CLIENT_CERTIFICATE = pattern(r"client certificate|certificate required")
_ABOUT_QUOTA = pattern(
    r"quota ?exceeded.*submission|submission ?quota ?exceeded|credits exceeded|"
    r"(?:daily|hourly|monthly)\b.{0,40}\b(?:limit|quota)\b.{0,20}(?:exceeded|reached)|"
    r"(?:exceeded|reached).{0,40}\b(?:daily|hourly|monthly)\b.{0,40}\b(?:limit|quota)|"
    r"(?:sending|sender|relay) (?:limit|quota) (?:has been |is )?(?:exceeded|reached)"
)
# Of an account or its tenant: https://learn.microsoft.com/exchange/troubleshoot/email-delivery,
# and Gmail's 5.4.5 (RFC 3463 has congestion there).
_QUOTA_CODES = frozenset({"5.4.5", "5.1.90", "5.7.232", "5.7.233", "5.7.236"})


def advise(reply: Reply, phase: str, *, anonymous: bool = False) -> str:
    """Return what the reader should do about a refusal.

    Args:
        reply: The server's answer.
        phase: What it answered: "greeting", "ehlo", "starttls", "auth", "sender",
            "recipient", "data" or "body".
        anonymous: Whether the client did not log in.
    """
    text = str(reply).lower()
    if _ABOUT_CLIENT_CERTIFICATE.search(text):
        return _CLIENT_CERTIFICATE
    if phase != "auth" and _ABOUT_EHLO.search(text):
        return _EHLO
    if _ABOUT_UNICODE.search(text):
        return NO_UNICODE
    if reply.code == 454 and "throttling" in text:
        return (
            "Amazon SES limits how fast, or how much, the account sends: wait, or ask "
            "for a higher limit."
        )
    exact = _BY_CODE.get((reply.code, reply.enhanced)) or _BY_ENHANCED.get(reply.enhanced)
    if quota_used_up(reply):
        return exact or _QUOTA
    if reply.code == 554 and "not verified" in text:
        return (
            "Verify the address or its domain in Amazon SES for this region, or leave the "
            "sandbox."
        )
    if reply.code == 530 and ("starttls" in text or "tls" in text):
        return "The server requires encryption: set `security` to 'starttls'."
    if reply.code == 530:
        return _ANONYMOUS
    if "basic authentication" in text and ("disabled" in text or "not supported" in text):
        return _OAUTH
    if "application-specific password" in text:
        return _GMAIL
    if phase == "recipient" and reply.permanent and "relay" in text:
        return (
            "The server does not accept mail for this domain without a login: set "
            "`username` and `password`."
        )
    if exact:
        return exact
    if phase in ("sender", "recipient", "data", "body"):
        unknown_client = anonymous and phase in ("sender", "recipient")
        if _ABOUT_LOGIN.search(text) or (unknown_client and reply.enhanced == "5.7.1"):
            return _ANONYMOUS
    if reply.temporary:
        return "The server may accept it later; its answer says why it waits."
    return _BY_PHASE.get(phase, "")


def failure(
    reply: Reply, phase: str, *, limit: int = 0, anonymous: bool = False
) -> DeliveryError:
    """Return the error for a reply other than the expected one.

    Args:
        reply: The server's answer.
        phase: What it answered, see `advise`.
        limit: The SIZE that the server announced, or 0.
        anonymous: Whether the client did not log in.
    """
    remedy = advise(reply, phase, anonymous=anonymous)
    if _ABOUT_CLIENT_CERTIFICATE.search(str(reply).lower()):
        # Postfix says so with 421, but no other try will have one.
        return PermanentFailure(
            f"The server refuses the {_NAMES[phase]}: {reply}",
            code="client-certificate",
            remedy=remedy,
        )
    if reply.permanent:
        if phase in ("sender", "data", "body") and _too_large(reply):
            error = MailTooLarge(
                f"The server does not accept a mail of this size: {reply}", remedy=remedy
            )
            error.limit = limit
            return error
        return PermanentFailure(
            f"The server refuses the {_NAMES[phase]}: {reply}",
            code="quota" if quota_used_up(reply) else f"{phase}-refused",
            remedy=remedy,
            change=_change(reply, phase),
        )
    if reply.temporary:
        return TemporaryFailure(
            f"The server asked to retry the {_NAMES[phase]} later: {reply}",
            code="quota" if quota_used_up(reply) else f"{phase}-deferred",
            remedy=remedy,
        )
    return TemporaryFailure(
        f"The server gave an invalid answer to the {_NAMES[phase]}: {reply}",
        code="protocol",
        remedy="Check `host` and `port`: this may not be an SMTP server.",
    )


def _change(reply: Reply, phase: str) -> dict[str, str]:
    if reply.code == 530 and "tls" in str(reply).lower():
        return {"security": "starttls"}
    if reply.code == 530:
        return {"username": "USERNAME", "password": "PASSWORD"}
    return {"password": "PASSWORD"} if phase == "auth" else {}


def quota_used_up(reply: Reply) -> bool:
    """Return whether the account, not the mail or a recipient, is why it is refused."""
    if reply.enhanced in _QUOTA_CODES or (reply.code, reply.enhanced) == (554, "5.2.2"):
        return True
    # Amazon SES: "454 Throttling failure: Daily message quota exceeded"; Google's relay: "550
    # 5.7.1 Daily SMTP relay limit exceeded"; SendGrid: "451 ... Maximum credits exceeded";
    # Microsoft: "554 5.2.0 ... SubmissionQuotaExceeded".
    return _ABOUT_QUOTA.search(str(reply).lower()) is not None


def too_many_recipients(reply: Reply) -> bool:
    """Return whether the server takes no more recipients in this transaction.

    Some say so with 552, which RFC 5321 (4.5.3.1.10) wants treated as 452.
    """
    return reply.code in (452, 552) and (
        reply.enhanced in ("4.5.3", "5.5.3") or "too many recipients" in str(reply).lower()
    )


_NAMES = {
    "greeting": "connection",
    "ehlo": "greeting",
    "starttls": "encryption",
    "auth": "login",
    "sender": "sender",
    "recipient": "recipient",
    "data": "mail",
    "body": "mail",
}


def _too_large(reply: Reply) -> bool:
    if reply.enhanced:
        return reply.enhanced in ("5.3.4", "5.2.3")
    return reply.code == 552 and "quota" not in str(reply).lower()


def connect_failure(error: OSError, host: str, port: int) -> TemporaryFailure:
    """Return the error for a connection that does not come about."""
    place = f"{host}:{port}"
    if error.errno == errno.ECONNREFUSED:
        said, remedy = (
            f"{place} refused the connection.",
            "Check that the server runs, and `host` and `port` (587 for starttls, 465 for tls, "
            "25 inside a network).",
        )
    elif error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL):
        said, remedy = (
            f"{place} cannot be reached from here: {error.strerror}.",
            "Check the network. Many clouds block port 25: use 587.",
        )
    elif error.errno == errno.ECONNRESET:
        said, remedy = f"{place} reset the connection.", CUT_OFF
    else:
        said = f"The connection to {place} failed: {error.strerror or error}."
        remedy = "Check `host`, `port` and the network."
    return TemporaryFailure(said, code="connect", remedy=remedy)


def tls_failure(error: ssl.SSLError | OSError, host: str, port: int) -> DeliveryError:
    """Return the error for a TLS handshake that fails."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return PermanentFailure(
            f"The certificate of {host} is not trusted: {error.verify_message.rstrip('.')}.",
            code="certificate",
            remedy=_certificate_remedy(error),
            change=_certificate_change(error),
        )
    reason = getattr(error, "reason", None) or ""
    change = {}
    if isinstance(error, ssl.SSLError) and not isinstance(
        error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError
    ):
        if reason in ("WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "HTTP_REQUEST"):
            remedy = (
                f"Port {port} does not start with TLS: set `security` to 'starttls', as for "
                "port 587, or `port` to 465."
            )
            change = {"security": "starttls"}
        elif "CERTIFICATE_REQUIRED" in reason or "BAD_CERTIFICATE" in reason:
            remedy = _CLIENT_CERTIFICATE
        elif "VERSION" in reason or "UNSUPPORTED_PROTOCOL" in reason:
            remedy = (
                "The server supports only obsolete TLS versions; ask its administrators "
                "to update it."
            )
        else:
            remedy = (
                "Check `port` and `security`: the server and this machine have no TLS "
                "version in common."
            )
        return PermanentFailure(
            f"The TLS handshake with {host}:{port} failed: {reason or error}.",
            code="tls",
            remedy=remedy,
            change=change,
        )
    return TemporaryFailure(
        f"{host}:{port} closed the connection during the TLS handshake.",
        code="tls",
        remedy=CUT_OFF,
    )


def _certificate_change(error: ssl.SSLCertVerificationError) -> dict[str, str]:
    if error.verify_code in (62, 64):
        return {"host": "HOST"}
    return {} if error.verify_code in (9, 10) else {"ca_file": "FILE"}


def _certificate_remedy(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code in (62, 64):  # X509_V_ERR_HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH
        return "Set `host` to a name that the certificate is valid for."
    if error.verify_code == 10:  # X509_V_ERR_CERT_HAS_EXPIRED
        return "Have the server's certificate renewed, and check this machine's clock."
    if error.verify_code == 9:  # X509_V_ERR_CERT_NOT_YET_VALID
        return "Check this machine's clock."
    return "Set `ca_file` to the certificate of the authority that signed it."
