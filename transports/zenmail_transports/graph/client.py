"""Calls to Microsoft Graph: one pool of connections and one token for many mails."""

from __future__ import annotations

import io
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from zenmail import AccessToken, SendRequest, TokenRequest, VerifyRequest
from zenmail.runtime.forks import defer_forks, reset_after_fork

from .errors import TokenRefused, answer_error, connection_error
from .options import GraphOptions

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

__all__ = ["Client"]

Request = SendRequest[GraphOptions] | VerifyRequest[GraphOptions]
# A firewall may have forgotten a connection that was idle, and the mail sent over it would
# have an unknown outcome. Another connection costs two round trips.
_IDLE = 5.0
# Seconds before a token expires that another one is fetched.
_TOKEN_MARGIN = 60.0


class Client:
    """The way to Microsoft Graph for one set of options; threads may share it."""

    def __init__(self, options: GraphOptions) -> None:
        self.options = options
        reset_after_fork(self)

    def reset(self) -> None:
        """Start afresh: a child must neither use nor close its parent's connections."""
        self._lock = threading.Lock()
        self._session: Any = None
        self._used = 0.0
        self._token: AccessToken | None = None

    def user(self, mailbox: str) -> str:
        """Return the URL of the user whose mailbox it is."""
        path = "me" if mailbox == "me" else f"users/{quote(mailbox, safe='@')}"
        return f"{self.options.endpoint}/{path}"

    def send(self, request: Request, mailbox: str, content: bytes) -> None:
        """Send a mail, with another token if the one at hand is refused.

        https://learn.microsoft.com/en-us/graph/api/user-sendmail: the body is the mail in
        base64, and ``202 Accepted`` the only answer that says it was taken.

        Raises:
            DeliveryError: It was not taken, or may not have been.
        """
        url = f"{self.user(mailbox)}/sendMail"
        refresh = False
        while True:
            token = self.token(request, mailbox, refresh=refresh)
            answer = self.call(request, "POST", url, token, content)
            if answer.status_code == 202:
                return
            error = answer_error(answer)
            if refresh or not isinstance(error, TokenRefused):
                raise error
            refresh = True

    def token(self, request: Request, mailbox: str, *, refresh: bool = False) -> AccessToken:
        """Return the token at hand, or fetch one."""
        token = self._token
        if token is None or refresh or token.expires_within(_TOKEN_MARGIN):
            parts = urlsplit(self.options.endpoint)
            wanted = TokenRequest(
                account=mailbox,
                scopes=(f"{parts.scheme}://{parts.netloc}/.default",),
                deadline=request.deadline,
                options=self.options.oauth_options,
                refresh=refresh,
            )
            token = self._token = request.fetch_token(self.options.oauth, wanted)
        return token

    def call(
        self, request: Request, method: str, url: str, token: AccessToken, content: bytes = b""
    ) -> Response:
        """Make one call that ends by the deadline, as far as its time-outs can see to it.

        Raises:
            DeliveryError: There was no answer.
        """
        from requests import RequestException

        session = self._open()

        def bearer(prepared: PreparedRequest) -> PreparedRequest:
            # As requests' `auth`, because a header alone gives way to a netrc file.
            prepared.headers["Authorization"] = f"Bearer {token.value.get_secret_value()}"
            return prepared

        # Read as it is sent: what was not read was not sent.
        body = io.BytesIO(content)
        left = request.deadline.timeout("before the call to Microsoft Graph")
        try:
            answer: Response = session.request(
                method,
                url,
                data=body if content else None,
                headers={"Content-Type": "text/plain"} if content else {},
                auth=bearer,
                timeout=(left / 2, left),
                allow_redirects=False,
            )
        except RequestException as error:
            unsent = not content or body.tell() < len(content)
            raise connection_error(error, unsent=unsent) from None
        return answer

    @defer_forks()  # it imports requests, which imports more as it goes
    def _open(self) -> Any:
        from requests import Session

        now = time.monotonic()
        with self._lock:
            if self._session is not None and now - self._used > _IDLE:
                self._session.close()
            if self._session is None:
                self._session = Session()
            self._used = now
            return self._session

    def close(self) -> None:
        """Close the connections, and forget the token."""
        with self._lock:
            session, self._session, self._token = self._session, None, None
        if session is not None:
            session.close()
