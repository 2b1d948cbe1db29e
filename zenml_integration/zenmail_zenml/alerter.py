"""The alerter: ZenML's ``post`` on top of zenmail's mailer."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from zenml.alerter.base_alerter import BaseAlerter, BaseAlerterStepParameters
from zenml.config.step_run_info import StepRunInfo

from zenmail import AddressError, Alert, DeliveryError, TemporaryFailure, ZenmailError
from zenmail.clean import clean_line
from zenmail.deadline import Deadline
from zenmail.redaction.redact import described, redacted
from zenmail.runtime.timeouts import CallTimedOut, call_with_timeout

from .alerts.build import as_text, build_alert
from .alerts.run_context import (
    PASS_THROUGH,
    RunContext,
    current_context,
    read_or_default,
    running_steps,
)
from .config import SMTPEmailAlerterConfig, SMTPEmailAlerterSettings
from .lineage import evidence_of, keep, record
from .mailers import default_ledger, ledger_location, mailers
from .posting import Posted, as_parameters
from .settings import Resolved, layer, resolve, stored_secrets

if TYPE_CHECKING:
    from .alerts.message import AlerterMessage, SMTPEmailAlerterParameters

__all__ = ["SMTPEmailAlerter"]

_logger = logging.getLogger(__name__)
_MAX_SUBJECT = 4000
_DEFAULT_DEADLINE: float = Resolved.model_fields["deadline"].default
_Answer = TypeVar("_Answer")
# Nobody else needs to tell what such a mail says.
_TAKEN_OVER = frozenset({"delivered", "partial", "unknown", "queued", "spooled"})


class SMTPEmailAlerter(BaseAlerter):
    """Sends alerts by e-mail."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Now, as ZENML_CONFIG_PATH may name another ZenML by the time of a mail.
        self._ledger = read_or_default(default_ledger, "off")
        # ZenML before 0.94.6 has no dispatcher, and this one's is not documented.
        read_or_default(_tell_about_local_runs, None)

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
        from .requirements import requirements_of

        return requirements_of(self.config.raw())

    @property
    def patience(self) -> float:
        """The deadline of the component, in seconds, before its secrets are known."""
        return _seconds(self.config.deadline)

    def prepare_step_run(self, info: StepRunInfo) -> None:
        """Remember the step, for threads of it that post without its context."""
        running_steps[info.step_run_id] = info.run_id

    def cleanup_step_run(self, info: StepRunInfo, step_failed: bool) -> None:
        """Forget the step."""
        running_steps.pop(info.step_run_id, None)

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
            ConfigurationError: The configuration is wrong, so that nothing was sent, and
                ``on_delivery_failure`` is "raise".
            DeliveryError: The mail was not delivered and ``on_delivery_failure`` is
                "raise".
        """
        from .alerts.standard_hooks import parse_hook_text

        event = ""
        if isinstance(message, str) and (stock := parse_hook_text(message)) is not None:
            # Here, where the exception that the text is about is still being handled.
            message = Alert(**stock)
            event = "failed" if message.severity == "error" else ""
        started = time.monotonic()
        patience = _seconds(_setting("deadline", params, self.config))
        try:
            context = call_with_timeout(current_context, patience)
        except CallTimedOut:
            context = RunContext()
        return self.post_about(context, message, params, event=event, started=started)

    def post_about(
        self,
        context: RunContext,
        message: str | AlerterMessage | Alert | None,
        params: BaseAlerterStepParameters | None = None,
        *,
        event: str = "",
        explained: bool = False,
        started: float | None = None,
    ) -> bool:
        """Send a mail about a step or run; see `post`.

        Args:
            context: The step or run.
            message: As in `post`.
            params: As in `post`.
            event: What happened to the run according to the mail, or "". Once the mail is on
                its way nobody else tells about that.
            explained: Whether to add what ZenML knows about the cause, within the seconds of
                the setting ``explain``, which are part of the deadline.
            started: When the deadline began, by `time.monotonic`; None for now.
        """
        started = time.monotonic() if started is None else started
        strict = _setting("on_delivery_failure", params, self.config) == "raise"
        try:
            parameters = as_parameters(params)
            limit = Deadline(started + _seconds(_setting("deadline", params, self.config)))
            scopes = _ask_zenml(lambda: self._scopes(context, message, parameters), limit)
            strict = layer(scopes).get("on_delivery_failure") == "raise"
            posted = self._deliver(
                context, message, parameters, scopes, started, explained=explained
            )
            on_run = posted.kept
            if event:
                # A watcher of the run tells the event if the hook could not.
                taken_over = posted.receipt.outcome in _TAKEN_OVER
                on_run = {evidence_of(event): {"by": "hook"}} if taken_over else {}
            record(context, posted.metadata(), on_run=on_run)
            return posted.report()
        except PASS_THROUGH:
            raise
        except ZenmailError as error:
            if strict or isinstance(error, DeliveryError):
                # The frames that it came through hold secrets in clear text, and ZenML logs
                # their variables at DEBUG. The message is enough.
                error.__context__ = None
                raise error.with_traceback(None) from error.__cause__
            _logger.error("An e-mail was not sent: %s", redacted(str(error)))
            return False
        except Exception as error:
            # ZenML's store failed, or there is a bug; not the user's mistake, so it counts
            # as a mail that was not delivered.
            lost = TemporaryFailure(f"{type(error).__name__}: {error}", code="unexpected")
            if strict:
                raise lost from error
            why, frames = redacted(str(lost)), described(error, frames=True)
            _logger.error("An e-mail was not sent: %s\n%s", why, frames)
            return False

    def deliver(
        self, alert: Alert, context: RunContext, params: Mapping[str, Any] | None = None
    ) -> Posted:
        """Send an alert about a run that is seen from outside.

        Raises:
            ConfigurationError: The configuration is wrong; nothing was sent.
        """
        started = time.monotonic()
        parameters = as_parameters(params)
        scopes = self._scopes(context, alert, parameters)
        return self._deliver(context, alert, parameters, scopes, started, explained=not params)

    def work_queue(self) -> tuple[int, int]:
        """Send what waits in the alerter's ledger; return how many were sent, and not.

        Raises:
            ConfigurationError: The configuration is wrong.
        """
        from zenmail.delivery.worker import Worker

        settings = self.settings_in(RunContext())
        if ledger_location(settings) == "off":
            return 0, 0
        with mailers.lease(settings, self.session(settings), alerter=self.name) as mailer:
            worker = Worker(mailer)
            worker.drain()
            return worker.delivered, worker.failed

    def settings_in(self, context: RunContext) -> Resolved:
        """Return the settings in force for a step or run.

        Raises:
            ConfigurationError: A value is invalid, or a secret does not exist.
        """
        return self._resolve(self._scopes(context, None, None))

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

    def _scopes(
        self, context: RunContext, message: object, params: SMTPEmailAlerterParameters | None
    ) -> list[Mapping[str, Any]]:
        return [
            {"ledger": self._ledger},
            self.config.raw(),
            context.settings(self.name, self.flavor),
            _settings_of(message),
            params.settings() if params is not None else {},
        ]

    def _resolve(self, scopes: list[Mapping[str, Any]]) -> Resolved:
        replace = stored_secrets.resolve
        return resolve(layer(scopes, replace=replace), replace=replace)

    def _deliver(
        self,
        context: RunContext,
        message: object,
        parameters: SMTPEmailAlerterParameters | None,
        scopes: list[Mapping[str, Any]],
        started: float,
        *,
        explained: bool = False,
    ) -> Posted:
        def prepare() -> tuple[Resolved, Alert, Any]:
            settings = self._resolve(scopes)
            info = settings.include_pipeline_info
            given = message
            if explained and isinstance(given, Alert):
                from .alerts.explain import explain_alert

                given = explain_alert(
                    given,
                    context,
                    seconds=min(settings.explain, settings.deadline / 2),
                    runbooks=settings.runbooks,
                )
            alert = build_alert(given, parameters, context, include_pipeline_info=info)
            return settings, alert, self.session(settings)

        limit = Deadline(started + _seconds(layer(scopes).get("deadline")))
        settings, alert, session = _ask_zenml(prepare, limit)
        deadline = Deadline(started + settings.deadline)
        if not settings.recipients:
            raise AddressError(
                "The mail has no recipient.",
                remedy="Set recipient_email for the alerter, the step or this post.",
            )
        subject = (parameters.subject if parameters is not None else None) or ""
        with mailers.lease(settings, session, alerter=self.name) as mailer:
            if alert.steps:
                # A summary ends the run, so alerts held back earlier go first, in a digest.
                mailer.finish_thread(alert.thread, deadline=deadline.share(2))
            receipt = mailer.send_alert(
                alert,
                subject=subject,
                deadline=deadline,
                sender=settings.sender,
                to=settings.recipient_email,
                cc=settings.cc,
                bcc=settings.bcc,
                reply_to=settings.reply_to,
                subject_prefix=settings.subject_prefix,
                include_html=settings.include_html,
                templates=settings.templates or None,
                redact=settings.redact,
                time_zone=settings.time_zone,
            )
            first_line = alert.body.strip().partition("\n")[0]
            line = (subject or alert.subject or alert.title or first_line)[:_MAX_SUBJECT]
            shown = clean_line(mailer.hide(line, shapes=settings.redact), limit=200)
            kept = {}
            if receipt.outcome == "deferred":  # no ledger keeps it
                safe = alert.model_copy(update={"url": mailer.hide(alert.url, shapes=True)})
                kept = keep(shown, mailer.hide(as_text(alert), shapes=True), safe, settings)
        if not receipt.delivered:
            stored_secrets.forget()  # one may have changed
        return Posted(receipt, shown, settings, kept)

    def session(self, settings: Resolved) -> Any:
        """Return the service connector's boto3 session, for the transport ses."""
        if settings.transport != "ses" or self.connector is None:
            return None
        connector = self.get_connector()
        return None if connector is None else connector.connect()

    def __repr__(self) -> str:
        shown = "".join(f", {name}={value!r}" for name, value in self.config.shown().items())
        return f"{type(self).__name__}(name={self.name!r}{shown})"


def _tell_about_local_runs() -> None:
    """On a local store, mail how runs end with neither a hook nor a watcher."""
    from .watching.handler import register_locally

    register_locally()


def _settings_of(message: object) -> Mapping[str, Any]:
    """Return the settings that a message brings with it."""
    if message is None or isinstance(message, str | Alert):
        return {}
    from .alerts.message import AlerterMessage

    return message.settings if isinstance(message, AlerterMessage) else {}


def _setting(name: str, params: object, config: SMTPEmailAlerterConfig) -> Any:
    """Return a setting before ZenML is asked, where the parameters may be wrong."""
    own = params.get(name) if isinstance(params, Mapping) else getattr(params, name, None)
    return own or getattr(config, name)


def _ask_zenml(call: Callable[[], _Answer], deadline: Deadline) -> _Answer:
    """Return what a call returns that asks ZenML.

    Raises:
        TimeoutError: It has not returned by the deadline.
    """
    try:
        return call_with_timeout(call, deadline.remaining())
    except CallTimedOut:
        raise TimeoutError("ZenML did not answer by the deadline.") from None


def _seconds(deadline: Any) -> float:
    """Return the deadline before it is resolved and checked."""
    try:
        seconds = float(deadline)
    except (TypeError, ValueError):
        return _DEFAULT_DEADLINE
    return seconds if 0 < seconds < threading.TIMEOUT_MAX else _DEFAULT_DEADLINE
