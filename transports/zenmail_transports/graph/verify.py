"""Token, permission and mailbox checked, without sending."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

from zenmail import AccessToken, Check, VerifyRequest, ZenmailError

from .client import Client
from .errors import answer_error
from .options import GraphOptions

__all__ = ["verify"]


def verify(client: Client, request: VerifyRequest[GraphOptions]) -> Iterator[Check]:
    """Yield what is known of token, permission and mailbox."""
    sender = request.envelope.sender if request.envelope is not None else ""
    mailbox = client.options.mailbox or sender
    try:
        token = client.token(request, mailbox)
    except ZenmailError as error:
        yield Check.failed("token", error)
        yield Check("permission", "skipped", "No token was issued.")
        yield Check("mailbox", "skipped", "No token was issued.")
        return
    yield Check("token", "passed", f"{client.options.oauth} issued a token.")
    yield _permission(token)
    if not mailbox:
        yield Check("mailbox", "skipped", "Neither a sender nor a mailbox was given.")
        return
    yield _mailbox(client, request, mailbox, token)


def _permission(token: AccessToken) -> Check:
    """Look for Mail.Send in the token, as Microsoft advises where a permission is missing.

    https://learn.microsoft.com/en-us/graph/resolve-auth-errors: an application's permissions
    are in the claim ``roles``, a user's in ``scp``.
    """
    try:
        middle = token.value.get_secret_value().split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
        granted = {*claims.get("roles", ()), *str(claims.get("scp", "")).split()}
    except (IndexError, ValueError, AttributeError, TypeError):
        return Check("permission", "skipped", "The token cannot be read.")
    if granted & {"Mail.Send", "Mail.Send.Shared"}:
        return Check("permission", "passed", "The token allows Mail.Send.")
    if "roles" not in claims and "scp" not in claims:
        # RBAC for Applications grants it in Exchange, and leaves the token as it is.
        detail = "The token names no permission; RBAC for Applications may still grant it."
        return Check("permission", "skipped", detail)
    return Check(
        "permission",
        "failed",
        f"The token allows {', '.join(sorted(granted)) or 'nothing'}, not Mail.Send.",
        "Give the application the permission Mail.Send of Microsoft Graph, with an "
        "administrator's consent.",
        code="graph-permission",
    )


def _mailbox(
    client: Client, request: VerifyRequest[GraphOptions], mailbox: str, token: AccessToken
) -> Check:
    """Ask for the user, which takes a permission that sending does not."""
    try:
        answer = client.call(request, "GET", f"{client.user(mailbox)}?$select=id", token)
    except ZenmailError as error:
        return Check.failed("mailbox", error)
    if answer.status_code == 200:
        return Check("mailbox", "passed", f"The user {mailbox} exists.")
    if answer.status_code == 403:
        detail = "Looking up the user needs User.Read.All; sending does not."
        return Check("mailbox", "skipped", detail)
    return Check.failed("mailbox", answer_error(answer))
