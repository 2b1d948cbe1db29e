"""A step that posts with the stack's alerter, of any flavor."""

# No postponed annotations: ZenML 0.94 cannot read them on a step.
import inspect
import logging
import sys
from collections.abc import Mapping
from typing import Any, Union

from zenml import step
from zenml.alerter.base_alerter import BaseAlerter, BaseAlerterStepParameters
from zenml.client import Client

from zenmail.redaction.redact import redacted

from .alerts.message import AlerterMessage
from .flavor import is_email_alerter

__all__ = ["alerter_post_step"]

_logger = logging.getLogger(__name__)


@step
def alerter_post_step(
    message: Union[AlerterMessage, str, None] = None,  # noqa: UP007
    params: Any = None,
    fail_on_lost: bool = False,
) -> bool:
    """Post a message with the active stack's alerter, of any flavor.

    Args:
        message: Text, or an `AlerterMessage`, which is converted to text for alerters that
            take nothing else.
        params: The alerter's step parameters, or a mapping of them.
        fail_on_lost: Fail the step if the message is not delivered.

    Returns:
        Whether the message was delivered; if not, the log says why.

    Raises:
        RuntimeError: The stack has no alerter; or ``fail_on_lost`` is set and an alerter of
            another flavor did not deliver the message.
        DeliveryError: ``fail_on_lost`` is set and the mail was not delivered.
    """
    alerter = Client().active_stack.alerter
    if alerter is None:
        raise RuntimeError(
            "The active stack has no alerter. Add one: zenml stack update -al <ALERTER>"
        )
    if is_email_alerter(alerter):
        if fail_on_lost:
            params = {**_as_mapping(params), "on_delivery_failure": "raise"}
        return alerter.post(message, params)
    text = redacted(str(message or ""))
    delivered = bool(alerter.post(text, _parameters_for(alerter, params)))
    if not delivered:
        lost = (
            f"The alerter {alerter.name!r} ({alerter.flavor}) did not deliver: {text[:200]!r}"
        )
        if fail_on_lost:
            raise RuntimeError(lost)
        _logger.error("%s", lost)
    return delivered


def _as_mapping(params: Any) -> Mapping[str, Any]:
    if isinstance(params, BaseAlerterStepParameters):
        return params.model_dump(exclude_none=True)
    return params or {}


def _parameters_for(alerter: BaseAlerter, params: Any) -> BaseAlerterStepParameters | None:
    """Return the parameters as the class that the alerter's module declares for them.

    ZenML passes a step its parameters as JSON, and each flavor has its own class.
    """
    if not isinstance(params, Mapping):
        return params if isinstance(params, BaseAlerterStepParameters) else None
    for kind in type(alerter).__mro__:
        for declared in vars(sys.modules[kind.__module__]).values():
            if (
                inspect.isclass(declared)
                and issubclass(declared, BaseAlerterStepParameters)
                and declared is not BaseAlerterStepParameters
            ):
                return declared(**params)
    return None
