"""The alerter: ZenML's ``post`` on top of zenmail's mailer."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from time import monotonic
from typing import Any, cast

from pydantic import ValidationError
from zenml.alerter.base_alerter import BaseAlerter, BaseAlerterStepParameters
from zenml.utils.secret_utils import is_secret_reference

from zenmail import (
    AddressError,
    Alert,
    ConfigurationError,
    Receipt,
    TemporaryFailure,
    ZenmailError,
)
from zenmail.address import parse_mailbox, split_addresses
from zenmail.clean import clean_line
from zenmail.model import describe_validation

from .alerts.build import build_alert
from .alerts.explain import explain_alert
from .alerts.message import AlerterMessage, SMTPEmailAlerterParameters
from .alerts.run_context import PASS_THROUGH, current_context
from .config import SMTPEmailAlerterConfig, SMTPEmailAlerterSettings
from .lineage import record
from .mailers import mailers
from .requirements import requirements_for
from .settings import Resolved, SecretReader, as_mapping, layer, resolve

__all__ = ["SMTPEmailAlerter"]

_logger = logging.getLogger(__name__)
_MAX_SUBJECT = 4000


class SMTPEmailAlerter(BaseAlerter):
    """Sends alerts by e-mail."""

    @property
    def config(self) -> SMTPEmailAlerterConfig:
        """The component's configuration."""
        return cast(SMTPEmailAlerterConfig, self._config)

    @property
    def settings_class(self) -> type[SMTPEmailAlerterSettings]:
        """The class of the settings of a step or pipeline."""
        return SMTPEmailAlerterSettings

    @property
    def requirements(self) -> set[str]:
        """What a step's image needs: zenmail and the packages of the selected transports."""
        raw = self.config.raw()
        names = [raw.get("transport", "smtp"), *split_addresses(raw.get("fallback_transport"))]
        sources = [
            source
            for options in (raw.get("transport_options"), raw.get("fallback_options"))
            for source in _token_sources(options)
        ]
        return requirements_for(
            [name for name in names if not is_secret_reference(name)],
            [source for source in sources if not is_secret_reference(source)],
        )

    def post(
        self,
        message: str | AlerterMessage | Alert | None = None,
        params: BaseAlerterStepParameters | None = None,
    ) -> bool:
        """Send a mail.

        Args:
            message: Text, whose first line becomes the subject, or an `AlerterMessage`.
            params: Content and settings of this post; they override all other settings.

        Returns:
            Whether the mail was accepted for every recipient. If not, one line in the log
            says what was lost, and why.

        Raises:
            ConfigurationError: The configuration is wrong; nothing was sent.
            DeliveryError: The mail was not delivered and ``on_delivery_failure`` is
                "raise".
        """
        return self._post(message, params)

    def post_explained(self, alert: Alert) -> bool:
        """Send a hook's alert with what ZenML knows about its cause.

        Args:
            alert: The alert about a step or run that failed or completed. The time that the
                setting ``explain`` allows is part of the mail's deadline.

        Returns:
            What `post` returns.
        """
        return self._post(alert, None, explained=True)

    def _post(
        self,
        message: str | AlerterMessage | Alert | None,
        params: BaseAlerterStepParameters | None,
        *,
        explained: bool = False,
    ) -> bool:
        started = monotonic()
        context = current_context()
        parameters = _as_parameters(params)
        scopes = [
            self.config.raw(),
            context.settings(self.name, self.flavor),
            message.settings if isinstance(message, AlerterMessage) else {},
            parameters.settings() if parameters is not None else {},
        ]
        reader = SecretReader()
        try:
            settings = resolve(layer(scopes, replace=reader.resolve), replace=reader.resolve)
            if explained and isinstance(message, Alert):
                message = explain_alert(
                    message,
                    context,
                    seconds=min(settings.explain, settings.deadline / 2),
                    runbooks=settings.runbooks,
                )
            info = settings.include_pipeline_info
            alert = build_alert(message, parameters, context, include_pipeline_info=info)
            subject = (parameters.subject if parameters is not None else None) or ""
            receipt, shown = self._send(alert, subject, settings, spent=monotonic() - started)
            record(receipt, shown, context)
            return _report(receipt, shown, settings)
        except ZenmailError as error:
            # The frames that it came through hold secrets in clear text, and ZenML logs
            # their variables at DEBUG. The message is enough.
            error.__context__ = None
            raise error.with_traceback(None) from error.__cause__
        except PASS_THROUGH:
            raise
        except Exception as error:
            # ZenML's store failed, or there is a bug; not the user's mistake, so it counts
            # as a mail that was not delivered.
            lost = TemporaryFailure(f"{type(error).__name__}: {error}", code="unexpected")
            if layer(scopes).get("on_delivery_failure") == "raise":
                raise lost from error
            _logger.error("An e-mail was not sent: %s", lost, exc_info=error)
            return False

    def ask(self, question: str, params: BaseAlerterStepParameters | None = None) -> bool:
        """Refuse: nobody can answer a mail to the pipeline.

        Raises:
            NotImplementedError: Always; the message says what to use instead.
        """
        raise NotImplementedError(
            "An e-mail alerter cannot wait for an answer. Use an alerter that can, such as "
            "Slack's or Discord's (`zenml alerter register ... --flavor=slack`), or a wait "
            "condition in a dynamic pipeline (`zenml.wait`)."
        )

    def _send(
        self, alert: Alert, subject: str, settings: Resolved, *, spent: float
    ) -> tuple[Receipt, str]:
        """Send the alert; return the receipt, and the subject as the log may show it."""
        if not settings.recipients:
            raise AddressError(
                "The mail has no recipient.",
                remedy="Set recipient_email for the alerter, the step or this post.",
            )
        with mailers.lease(settings, self._session(settings)) as mailer:
            if alert.steps:
                # A summary ends the run, so alerts held back earlier go first, in a digest.
                mailer.finish_thread(alert.thread)
            receipt = mailer.send_alert(
                alert,
                sender=settings.sender,
                to=settings.recipient_email,
                cc=settings.cc,
                bcc=settings.bcc,
                reply_to=settings.reply_to,
                subject=subject,
                # Less would leave no time to send it, as when the store was slow to answer.
                deadline=max(settings.deadline - spent, settings.deadline / 2),
                subject_prefix=settings.subject_prefix,
                include_html=settings.include_html,
                templates=settings.templates or None,
                redact=settings.redact,
            )
            line = subject or alert.title or alert.body.strip().partition("\n")[0]
            hidden = mailer.hide(line[:_MAX_SUBJECT], shapes=settings.redact)
        return receipt, clean_line(hidden, limit=200)

    def _session(self, settings: Resolved) -> Any:
        """Return the service connector's boto3 session, for the transport ses."""
        if settings.transport != "ses" or self.connector is None:
            return None
        connector = self.get_connector()
        return None if connector is None else connector.connect()

    def __repr__(self) -> str:
        shown = "".join(f", {name}={value!r}" for name, value in self.config.shown().items())
        return f"{type(self).__name__}(name={self.name!r}{shown})"


def _token_sources(options: Any) -> list[str]:
    """Return the token sources in a transport's options, or in options by transport."""
    try:
        outer = as_mapping(options or {})
    except ValueError:  # a secret reference
        return []
    sources = [
        level.get("oauth")
        for level in (outer, *(item for item in outer.values() if isinstance(item, Mapping)))
    ]
    return [source for source in sources if isinstance(source, str) and source]


def _as_parameters(
    params: BaseAlerterStepParameters | Mapping[str, Any] | None,
) -> SMTPEmailAlerterParameters | None:
    """Return the parameters of a post, without what only other flavors know.

    Raises:
        ConfigurationError: A parameter is invalid.
    """
    if params is None or isinstance(params, SMTPEmailAlerterParameters):
        return params
    if not isinstance(params, Mapping):
        known = set(SMTPEmailAlerterParameters.model_fields)
        params = {name: value for name, value in params.model_dump().items() if name in known}
    try:
        return SMTPEmailAlerterParameters(**params)
    except ValidationError as error:
        raise ConfigurationError(
            describe_validation(
                error, known=SMTPEmailAlerterParameters.model_fields, noun="parameter"
            )
        ) from None


def _report(receipt: Receipt, subject: str, settings: Resolved) -> bool:
    """Return whether the mail was delivered; if not, log what was lost, and why.

    Raises:
        DeliveryError: It was not delivered and ``on_delivery_failure`` is "raise".
    """
    if receipt.outcome in ("delivered", "skipped", "queued"):
        for note in receipt.notes:
            _logger.info("E-mail %r: %s", subject, note)
        return True
    if settings.on_delivery_failure == "raise":
        receipt.raise_for_outcome()
    missing = [
        address
        for address in settings.recipients
        if parse_mailbox(address).address not in receipt.accepted
    ]
    _logger.error(
        "%s: %r to %s. %s.%s",
        _VERDICTS.get(receipt.outcome, "E-mail lost"),
        subject,
        ", ".join(missing or settings.recipients),
        clean_line(receipt.describe()),
        f" {receipt.remedy}" if receipt.remedy else "",
    )
    return False


_VERDICTS = {
    "partial": "E-mail lost for some recipients",
    "unknown": "E-mail possibly lost",
    "spooled": "E-mail not delivered yet, kept in the outbox",
}
