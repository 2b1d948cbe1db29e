"""A transport: its options, what it is given, and its hooks as typed methods."""

import inspect
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from pydantic import ValidationError

from .deadline import Deadline
from .errors import (
    BrokenTransport,
    OptionsError,
    UnknownOutcome,
    UnknownTransport,
    ZenmailError,
)
from .model import LateModel, describe_validation
from .receipt import Receipt

if TYPE_CHECKING:
    import pluggy

    from .check import Check
    from .email import Email, Envelope
    from .tokens import AccessToken, TokenRequest

__all__ = [
    "FetchToken",
    "SendRequest",
    "Transport",
    "TransportOptions",
    "VerifyRequest",
]

_logger = logging.getLogger(__name__)

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
    def parse(
        cls: "type[_Options]",
        values: Mapping[str, Any],
        *,
        transport: str,
        name_option: Callable[[str], str] = str,
    ) -> "_Options":
        """Validate options that a user typed.

        Args:
            values: The options by name.
            transport: The transport's name, for the error.
            name_option: Returns what the user calls an option, for the error.

        Raises:
            OptionsError: A key is unknown, missing, or has an unusable value.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise OptionsError(
                describe_validation(error, known=cls.model_fields, name_option=name_option),
                transport=transport,
            ) from None


_Options = TypeVar("_Options", bound=TransportOptions)


FetchToken = Callable[[str, "TokenRequest"], "AccessToken"]
"""Asks the token source of this name for an OAuth 2 access token."""


def _no_source(source: str, request: "TokenRequest") -> "AccessToken":
    raise UnknownTransport(
        f"No token source is called {source!r}: fetch_token works only in requests "
        "made by a Mailer."
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

    email: "Email"
    envelope: "Envelope"
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

    envelope: "Envelope | None"
    options: OptionsT
    deadline: Deadline
    fetch_token: FetchToken = _no_source


class Transport:
    """One selected transport, its hooks as typed methods.

    Each has a plugin manager to itself: pluggy would call the bystanders too.
    """

    def __init__(
        self,
        name: str,
        manager: "pluggy.PluginManager",
        pass_through: tuple[type[BaseException], ...] = (),
    ) -> None:
        self.name = name
        self._hook = manager.hook
        self._pass_through = pass_through
        self._check_contract()

    def _check_contract(self) -> None:
        for hook in ("transport_options", "send_email"):
            if not getattr(self._hook, hook).get_hookimpls():
                raise BrokenTransport(
                    f"The plugin has no {hook}().",
                    transport=self.name,
                    remedy=f"A transport marks transport_options and send_email with "
                    f"zenmail.hookimpl; ask the authors of {self.name!r} to add {hook}.",
                )
        try:
            options = self._hook.transport_options()
        except ZenmailError:
            raise
        except self._pass_through:
            raise
        except Exception as error:
            raise BrokenTransport(
                f"transport_options() fails: {type(error).__name__}: {error}",
                transport=self.name,
                remedy=f"Report it to the authors of {self.name!r}.",
            ) from error
        if not (inspect.isclass(options) and issubclass(options, TransportOptions)):
            raise BrokenTransport(
                "transport_options() returns no class derived from zenmail.TransportOptions.",
                transport=self.name,
            )
        self.options_type: type[TransportOptions] = options

    @property
    def verifies(self) -> bool:
        """Whether the transport can check its set-up without sending."""
        return bool(self._hook.verify_transport.get_hookimpls())

    def parse_options(
        self, values: Mapping[str, Any], name_option: Callable[[str], str] = str
    ) -> TransportOptions:
        """Validate options that a user typed.

        Raises:
            OptionsError: A key is unknown, missing, or has an unusable value.
        """
        return self.options_type.parse(values, transport=self.name, name_option=name_option)

    def send(self, request: SendRequest[Any]) -> Receipt:
        """Call the transport's ``send_email``; whatever it raises passes through.

        Raises:
            UnknownOutcome: It returned something else than a receipt.
        """
        receipt = self._hook.send_email(request=request)
        if not isinstance(receipt, Receipt):
            raise self._no_receipt(receipt)
        return receipt

    @property
    def sends_together(self) -> bool:
        """Whether the transport can send several mails at once."""
        return bool(self._hook.send_emails.get_hookimpls())

    def send_together(
        self, requests: Sequence[SendRequest[Any]]
    ) -> list[Receipt | ZenmailError]:
        """Call the transport's ``send_emails``; whatever it raises passes through.

        Raises:
            UnknownOutcome: It returned something else than an answer for each.
        """
        answers = self._hook.send_emails(requests=requests)
        if not isinstance(answers, Sequence) or len(answers) != len(requests):
            raise self._no_receipt(answers)
        return [
            one if isinstance(one, Receipt | ZenmailError) else self._no_receipt(one)
            for one in answers
        ]

    def _no_receipt(self, returned: object) -> UnknownOutcome:
        return UnknownOutcome(
            f"The transport {self.name!r} returned {type(returned).__name__}, not a "
            "zenmail.Receipt. It is unknown whether it sent the mail.",
            code="transport-broken",
            transport=self.name,
            remedy=f"Ask the authors of the transport {self.name!r} to return a receipt.",
        )

    def verify(self, request: VerifyRequest[Any]) -> "Iterator[Check]":
        """Call the transport's ``verify_transport``; what it raises is a failed check.

        Yields:
            Each phase as it ends, if the transport yields them.
        """
        started = time.perf_counter()
        for check in self._checks(request):
            seconds = check.seconds or time.perf_counter() - started
            yield check if check.status == "skipped" else replace(check, seconds=seconds)
            started = time.perf_counter()

    def _checks(self, request: VerifyRequest[Any]) -> "Iterator[Check]":
        from .check import Check

        try:
            yield from self._hook.verify_transport(request=request) or ()
        except self._pass_through:
            raise
        except ZenmailError as error:
            yield Check.failed(self.name, error)
        except Exception as error:
            detail = f"verify_transport() fails: {type(error).__name__}: {error}"
            yield Check(
                self.name, "failed", detail, f"Report it to the authors of {self.name!r}."
            )

    def close(self) -> None:
        """Let the transport release what it holds; its trouble is logged, not raised."""
        try:
            self._hook.close_transport()
        except self._pass_through:
            raise
        except Exception as error:
            # Its text may hold anything, a secret included.
            _logger.warning(
                "Transport %r could not be closed: %s.", self.name, type(error).__name__
            )
