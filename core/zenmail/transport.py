"""What a transport is given, and how its options are declared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, Secret, SecretBytes, SecretStr, ValidationError

from .deadline import Deadline
from .email import Email, Envelope
from .errors import OptionsError, UnknownTransport
from .model import LateModel, describe_validation
from .tokens import AccessToken, TokenRequest

__all__ = ["Check", "FetchToken", "SendRequest", "TransportOptions", "VerifyRequest"]

OptionsT = TypeVar("OptionsT", bound="TransportOptions", covariant=True)


class TransportOptions(LateModel):
    """Base of every transport's options.

    Unknown keys are refused. Declare secrets as `pydantic.SecretStr`; the host then
    keeps them out of every repr, log and message.

    Attributes:
        keeps_deadline: Whether the transport ends by ``request.deadline`` on its own.
            The host watches the others from a thread of its own and gives up on them
            when the time is over.
    """

    keeps_deadline: ClassVar[bool] = False

    @classmethod
    def parse(cls: type[_Options], values: Mapping[str, Any], *, transport: str) -> _Options:
        """Validate options that a user typed.

        Args:
            values: The options by name.
            transport: The transport's name, for the error.

        Raises:
            OptionsError: A key is unknown, missing, or has an unusable value.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise OptionsError(
                describe_validation(error, known=cls.model_fields), transport=transport
            ) from None


_Options = TypeVar("_Options", bound=TransportOptions)


def secret_values(value: object) -> Iterator[str]:
    """Yield the secrets in a transport's options, however deep they are nested."""
    if isinstance(value, SecretStr | SecretBytes | Secret):
        secret = value.get_secret_value()
        yield secret.decode("utf-8", "replace") if isinstance(secret, bytes) else str(secret)
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from secret_values(getattr(value, name))
    elif isinstance(value, Mapping):
        yield from secret_values([*value.keys(), *value.values()])
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from secret_values(item)
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from secret_values(getattr(value, field.name))


FetchToken = Callable[[str, TokenRequest], AccessToken]
"""Asks the token source of this name for an OAuth 2 access token."""


def _no_source(source: str, request: TokenRequest) -> AccessToken:
    raise UnknownTransport(
        f"No token source is called {source!r}: the request came from no Mailer."
    )


@dataclass(frozen=True, slots=True)
class SendRequest(Generic[OptionsT]):
    """All that a transport needs to send one mail.

    Attributes:
        email: The mail. Its headers are for people; they may name others than the envelope.
        envelope: Who it is from and who gets it. Transports use this, never the headers.
        options: The transport's own options, validated.
        deadline: The moment by which ``send_email`` has to return or raise.
        fetch_token: For transports that log in with OAuth 2.
    """

    email: Email
    envelope: Envelope
    options: OptionsT
    deadline: Deadline
    fetch_token: FetchToken = _no_source


@dataclass(frozen=True, slots=True)
class VerifyRequest(Generic[OptionsT]):
    """All that a transport needs to check its set-up without sending.

    Attributes:
        envelope: Sender and recipients to ask the server about, or None.
        options: The transport's own options, validated.
        deadline: The moment by which ``verify_transport`` has to return.
        fetch_token: For transports that log in with OAuth 2.
    """

    envelope: Envelope | None
    options: OptionsT
    deadline: Deadline
    fetch_token: FetchToken = _no_source


@dataclass(frozen=True, slots=True)
class Check:
    """One phase of a verification.

    Attributes:
        name: The phase: "dns", "tcp", "tls", "login" and the like.
        status: Whether it passed; ``skipped`` when an earlier failure left it out.
        detail: What was seen, in a sentence.
        remedy: What to do when it failed, or "".
        seconds: How long it took.
        code: Stable code of the error when it failed, or "".
    """

    name: str
    status: Literal["passed", "failed", "skipped"]
    detail: str = ""
    remedy: str = ""
    seconds: float = 0.0
    code: str = ""
