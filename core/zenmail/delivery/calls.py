"""A call of a transport: it ends by the deadline, and fails with an error of ours."""

import traceback
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from ..deadline import Deadline
from ..errors import (
    DeliveryError,
    PermanentFailure,
    TemporaryFailure,
    UnknownOutcome,
    ZenmailError,
)
from ..model import name_options
from ..receipt import Receipt
from ..runtime.timeouts import CallTimedOut, call_with_timeout
from ..transport import SendRequest, Transport, TransportOptions

__all__ = ["Route", "call_together", "call_transport", "within"]

# A transport that ends at the deadline itself is not to lose the race with its watcher.
_GRACE = 0.25
_Result = TypeVar("_Result")


class Route(NamedTuple):
    """A transport, and the options it is called with.

    Attributes:
        name_option: Returns what users call one of its options.
    """

    transport: Transport
    options: TransportOptions
    name_option: Callable[[str], str] = str

    @property
    def name(self) -> str:
        """The transport's name."""
        return self.transport.name

    def advise(self, remedy: str) -> str:
        """Return a remedy with the options in it named as users know them."""
        return name_options(remedy, self.name_option) if "`" in remedy else remedy


def call_transport(
    transport: Transport,
    request: SendRequest[Any],
    pass_through: tuple[type[BaseException], ...] = (),
) -> Receipt:
    """Call a transport and see to it that it ends.

    Raises:
        DeliveryError: The transport's own, or one that stands for anything else it raised.
    """
    if request.options.keeps_deadline:
        return _guarded(transport, request, pass_through, Exception)
    # Signal handlers run in the main thread alone: what a watched transport raises is the
    # transport's own, be it SystemExit.
    return within(
        request.deadline, lambda: _guarded(transport, request, pass_through, BaseException)
    )


def _guarded(
    transport: Transport,
    request: SendRequest[Any],
    pass_through: tuple[type[BaseException], ...],
    foreign: type[BaseException],
) -> Receipt:
    leaving: tuple[type[BaseException], ...] = (DeliveryError, *pass_through)
    try:
        return transport.send(request)
    except leaving:
        raise
    except ZenmailError as error:
        raise _permanent(error, transport) from error
    except foreign as error:
        raise TemporaryFailure(
            _failure(transport, error),
            code="transport-exception",
            transport=transport.name,
            remedy="If it keeps happening, report it to the authors of the transport "
            f"{transport.name!r}.",
        ) from error


def _permanent(error: ZenmailError, transport: Transport) -> PermanentFailure:
    """Return the failure of a mail that stands for an error of the set-up."""
    return PermanentFailure(
        error.message, code=error.code, transport=transport.name, remedy=error.remedy
    )


def _failure(transport: Transport, error: BaseException) -> str:
    # Not cut to size: half a secret is not known for one any more.
    what = " ".join(traceback.format_exception_only(error)).strip()
    return f"The transport {transport.name!r} failed: {what}"


def call_together(
    route: Route,
    requests: Sequence[SendRequest[Any]],
    pass_through: tuple[type[BaseException], ...] = (),
) -> Sequence[Receipt | DeliveryError]:
    """Call a transport that can send several mails at once; return the answer for each."""
    transport = route.transport
    answers: Sequence[Receipt | ZenmailError]
    try:
        if route.options.keeps_deadline:
            answers = transport.send_together(requests)
        else:
            last = max((one.deadline for one in requests), key=lambda one: one.expires_at)
            answers = within(last, lambda: transport.send_together(requests))
    except pass_through:
        raise
    except DeliveryError as error:
        answers = [error] * len(requests)
    except Exception as error:
        failure = UnknownOutcome(
            _failure(transport, error),
            code="transport-exception",
            transport=transport.name,
            remedy="The mail may have arrived; check with the recipient.",
        )
        answers = [failure] * len(requests)
    return [
        answer if isinstance(answer, Receipt | DeliveryError) else _permanent(answer, transport)
        for answer in answers
    ]


def within(deadline: Deadline, call: Callable[[], _Result]) -> _Result:
    """Return what the call returns, or stop waiting for it at the deadline.

    Raises:
        UnknownOutcome: The call is still running, and its outcome is unknown.
    """
    left = deadline.timeout("before the transport was called")
    try:
        return call_with_timeout(call, left + _GRACE)
    except CallTimedOut:
        raise UnknownOutcome(
            "The transport did not return by the deadline.",
            code="deadline",
            remedy="Raise the deadline, or check what the transport is waiting for.",
        ) from None
