"""The flavor ``smtp_email``: its configuration and its settings.

ZenML builds the configuration each time it loads the component, also where the selected
transport is not installed. So nothing is checked then: ``is_valid``, which ZenML asks when
the component is registered or changed, and the alerter, when it sends, do that.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Union  # noqa: UP035

from pydantic import ConfigDict, Field
from zenml.alerter.base_alerter import BaseAlerterConfig, BaseAlerterFlavor
from zenml.config.base_settings import BaseSettings
from zenml.models import ServiceConnectorRequirements
from zenml.utils.secret_utils import SecretField, is_secret_reference

if TYPE_CHECKING:
    from .alerter import SMTPEmailAlerter

__all__ = ["SMTPEmailAlerterConfig", "SMTPEmailAlerterFlavor", "SMTPEmailAlerterSettings"]

FLAVOR = "smtp_email"

# Each value may be a `{{secret.key}}` instead, which is a str; ZenML refuses references for
# fields with validators. It also wants typing's own names, not `X | None`, to see that a
# field takes a string as it is.
_Text = Optional[str]  # noqa: UP045
_List = Optional[Union[str, List[str]]]  # noqa: UP006, UP007, UP045
_Mapping = Optional[Union[str, Dict[str, Any]]]  # noqa: UP006, UP007, UP045
_Whole = Optional[Union[int, str]]  # noqa: UP007, UP045
_Number = Optional[Union[float, str]]  # noqa: UP007, UP045
_Switch = Optional[Union[bool, str]]  # noqa: UP007, UP045


class SMTPEmailAlerterSettings(BaseSettings):
    """What can be set for the component, a pipeline, a step, or one post.

    A value that is None is not set: the next wider scope decides, then the default. Every
    value may be a secret reference (``{{secret.key}}``), also inside ``transport_options``
    and ``fallback_options``. Lists are written as JSON or with commas.

    Attributes:
        transport: Name of the transport that sends. Default: smtp.
        transport_options: The transport's options by name; JSON on the command line.
        smtp_server: The SMTP server's host name.
        smtp_port: The SMTP server's port. Default: 587, or 465 with security "tls".
        smtp_security: "starttls" (the default), "tls" or "none".
        smtp_username: The account to log in with. Default: the sender's address.
        password: Its password or app password.
        smtp_ca_file: Certificates (PEM) of the authorities to trust.
        smtp_ehlo_name: This machine's name in EHLO.
        sender_email: Who the mail is from.
        sender_name: The sender's display name.
        recipient_email: Who gets the mail.
        cc: Who gets a copy.
        bcc: Who gets a copy that nobody sees.
        reply_to: Where answers go.
        subject_prefix: What stands before each subject. Default: none.
        include_html: Whether the mail has an HTML part. Default: true.
        include_pipeline_info: Whether the mail says which pipeline, run, step and stack
            it comes from. Default: true.
        deadline: Seconds for one mail, every retry and fallback included. Default: 30.
        fallback_transport: Transports to try when the first cannot deliver.
        fallback_options: The fallback's options; for several fallbacks, by their names.
        redirect_to: Where all mail goes instead of to its recipients; for staging.
        redirect_allow: Recipients that get their mail in spite of that; patterns allowed.
        dry_run: Whether to do everything but send. Default: false.
        outbox: A folder that keeps what cannot be delivered.
        on_delivery_failure: "log" (the default) or "raise".
        delivery: "now" (the default) waits for the delivery, "background" does not.
        delivery_policy: "at_most_once" (the default) or "at_least_once".
        max_alerts_per_run: How many mails one run may send before the rest is held back.
        templates: A folder of templates that go before zenmail's own.
        redact: Whether what looks like a secret is taken out of the mail. Default: true.
    """

    transport: _Text = None
    transport_options: _Mapping = Field(default=None, repr=False)
    smtp_server: _Text = None
    smtp_port: _Whole = None
    smtp_security: _Text = None
    smtp_username: _Text = None
    password: _Text = SecretField(default=None, repr=False)
    smtp_ca_file: _Text = None
    smtp_ehlo_name: _Text = None
    sender_email: _Text = None
    sender_name: _Text = None
    recipient_email: _List = None
    cc: _List = None
    bcc: _List = None
    reply_to: _List = None
    subject_prefix: _Text = None
    include_html: _Switch = None
    include_pipeline_info: _Switch = None
    deadline: _Number = None
    fallback_transport: _List = None
    fallback_options: _Mapping = Field(default=None, repr=False)
    redirect_to: _List = None
    redirect_allow: _List = None
    dry_run: _Switch = None
    outbox: _Text = None
    on_delivery_failure: _Text = None
    delivery: _Text = None
    delivery_policy: _Text = None
    max_alerts_per_run: _Whole = None
    templates: _Text = None
    redact: _Switch = None


class SMTPEmailAlerterConfig(BaseAlerterConfig, SMTPEmailAlerterSettings):
    """The component's configuration: the settings' widest scope."""

    # What an older or newer zenmail stored must not make the component unloadable.
    model_config = ConfigDict(extra="ignore", frozen=True)

    @property
    def is_valid(self) -> bool:
        """Check the configuration without a network and without reading a secret.

        Raises:
            ConfigurationError: What is wrong with it, and the remedy.
        """
        from .validation import check_registration

        check_registration(self.raw())
        return True

    def raw(self) -> dict[str, Any]:
        """Return what was set, secret references unresolved."""
        return {name: value for name, value in self.model_dump().items() if value is not None}

    def shown(self) -> dict[str, Any]:
        """Return `raw` without secrets that were given in clear."""
        return {
            name: "********" if name in _HIDDEN and not is_secret_reference(value) else value
            for name, value in self.raw().items()
        }

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        yield from self.shown().items()


_HIDDEN = frozenset({"password", "transport_options", "fallback_options"})


class SMTPEmailAlerterFlavor(BaseAlerterFlavor):
    """Alerts by e-mail, through any transport of zenmail."""

    @property
    def name(self) -> str:
        """What users type after ``--flavor=``."""
        return FLAVOR

    @property
    def display_name(self) -> str:
        """What the dashboard shows."""
        return "SMTP Email"

    @property
    def service_connector_requirements(self) -> ServiceConnectorRequirements:
        """An AWS connector may give the transport ``ses`` its session."""
        return ServiceConnectorRequirements(connector_type="aws", resource_type="aws-generic")

    @property
    def config_class(self) -> type[SMTPEmailAlerterConfig]:
        """The configuration's class."""
        return SMTPEmailAlerterConfig

    @property
    def implementation_class(self) -> type[SMTPEmailAlerter]:
        """The alerter's class."""
        from .alerter import SMTPEmailAlerter

        return SMTPEmailAlerter
