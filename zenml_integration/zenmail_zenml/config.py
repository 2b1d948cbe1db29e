"""What can be set for the alerter: for the component, a pipeline, a step, or one post.

ZenML builds the configuration whenever it loads the component, even where the selected
transport is not installed. So it is checked only by ``is_valid``, which ZenML reads when the
component is registered or updated, and by the alerter when it sends.
"""

from collections.abc import Iterable
from typing import Any, Dict, List, Optional, Union  # noqa: UP035

from pydantic import ConfigDict, Field
from zenml.alerter.base_alerter import BaseAlerterConfig
from zenml.config.base_settings import BaseSettings
from zenml.utils.secret_utils import SecretField, SecretReference, is_secret_reference

__all__ = ["SMTPEmailAlerterConfig", "SMTPEmailAlerterSettings"]

# Any value may be a `{{secret.key}}` reference instead, which is a str; ZenML refuses
# references for fields with validators. It also wants typing's own names, not `X | None`,
# to see that a field takes a string as it is.
_Text = Optional[str]  # noqa: UP045
_List = Optional[Union[str, List[str]]]  # noqa: UP006, UP007, UP045
_Mapping = Optional[Union[str, Dict[str, Any]]]  # noqa: UP006, UP007, UP045
_Whole = Optional[Union[int, str]]  # noqa: UP007, UP045
_Number = Optional[Union[float, str]]  # noqa: UP007, UP045
_Switch = Optional[Union[bool, str]]  # noqa: UP007, UP045


class SMTPEmailAlerterSettings(BaseSettings):
    """Settings of the component, a pipeline, a step, or one post.

    None means not set: the next wider scope decides, then the default. Every value may be a
    secret reference (``{{secret.key}}``), also inside ``transport_options`` and
    ``fallback_options``. Lists are written as JSON or with commas.

    Each description ends in the default, unless there is none.
    """

    model_config = ConfigDict(defer_build=True, hide_input_in_errors=True)

    transport: _Text = Field(
        default=None, description="Transport that sends the mails. Default: smtp."
    )
    transport_options: _Mapping = Field(
        default=None,
        repr=False,
        description="Options of the transport, by name; as JSON on the command line.",
    )
    smtp_server: _Text = Field(default=None, description="Host name of the SMTP server.")
    smtp_port: _Whole = Field(
        default=None,
        description="Port of the SMTP server. Default: 587, or 465 with smtp_security tls.",
    )
    smtp_security: _Text = Field(
        default=None,
        description="Encryption of the connection: starttls, tls (from the first byte) or "
        "none. Default: starttls, or tls on port 465.",
    )
    smtp_username: _Text = Field(
        default=None,
        description="User name to log in with. Default: the sender's address, or what the "
        "provider requires.",
    )
    password: _Text = SecretField(
        default=None, repr=False, description="Password or app password to log in with."
    )
    smtp_ca_file: _Text = Field(
        default=None,
        description="PEM file of the certificate authorities to trust instead of the system's.",
    )
    smtp_ehlo_name: _Text = Field(
        default=None,
        description="Name of this machine in EHLO. Default: this machine's IP address, in "
        "brackets.",
    )
    sender_email: _Text = Field(default=None, description="Address that the mails come from.")
    sender_name: _Text = Field(default=None, description="Display name of the sender.")
    recipient_email: _List = Field(
        default=None, description="Addresses that receive the mails."
    )
    cc: _List = Field(default=None, description="Addresses that receive a copy.")
    bcc: _List = Field(
        default=None,
        description="Addresses that receive a copy which the other recipients do not see.",
    )
    reply_to: _List = Field(default=None, description="Addresses that receive the replies.")
    subject_prefix: _Text = Field(
        default=None, description="Text in front of each subject, such as [ZenML]."
    )
    include_html: _Switch = Field(
        default=None, description="Add an HTML part to each mail. Default: true."
    )
    include_pipeline_info: _Switch = Field(
        default=None,
        description="Name the pipeline, run, step and stack in each mail. Default: true.",
    )
    deadline: _Number = Field(
        default=None,
        description="Seconds allowed for each mail, including retries and fallbacks. Default: "
        "30.",
    )
    fallback_transport: _List = Field(
        default=None,
        description="Transports to try, in this order, when the first cannot deliver.",
    )
    fallback_options: _Mapping = Field(
        default=None,
        repr=False,
        description="Options of the fallback transport; for several fallbacks, by their names.",
    )
    redirect_to: _List = Field(
        default=None,
        description="Addresses that receive every mail instead of its recipients, for staging.",
    )
    redirect_allow: _List = Field(
        default=None,
        description="Recipients exempt from redirect_to: addresses, or patterns such as "
        "*@example.com.",
    )
    dry_run: _Switch = Field(
        default=None, description="Do everything except send. Default: false."
    )
    ledger: _Text = Field(
        default=None,
        repr=False,
        description="Database for mails that could not be delivered and for the counts of "
        "alerts: the path of an SQLite file, postgresql://user:password@host/database, or off. "
        "Default: zenmail.db in ZenML's configuration directory where ZenML's store is local, "
        "off elsewhere.",
    )
    on_delivery_failure: _Text = Field(
        default=None,
        description="When a mail is not delivered, log an error (log) or raise it (raise). "
        "Default: log.",
    )
    delivery: _Text = Field(
        default=None,
        description="Wait until each mail is delivered (now), send it from a thread "
        "(background), or leave it in the ledger for zenmail outbox work to send (queue). "
        "Default: now.",
    )
    delivery_policy: _Text = Field(
        default=None,
        description="Whether to resend a mail that may already have arrived: at_most_once "
        "does not, at_least_once does. Default: at_most_once.",
    )
    max_alerts_per_run: _Whole = Field(
        default=None,
        description="Mails one run may send before further alerts wait for a digest. Default: "
        "no limit.",
    )
    templates: _Text = Field(
        default=None,
        description='Templates that override zenmail\'s own: a folder, or "package:folder".',
    )
    redact: _Switch = Field(
        default=None,
        description="Remove what looks like a secret from each mail. Default: true.",
    )
    explain: _Number = Field(
        default=None,
        description="Seconds a hook may spend asking ZenML why and since when its pipeline "
        "fails; 0 turns it off. Default: 2.",
    )
    runbooks: _Mapping = Field(
        default=None,
        description="Pages about errors, by regular expression: a failure's mail links to the "
        "first that matches.",
    )
    time_zone: _Text = Field(
        default=None,
        description="Time zone shown beside UTC, such as Europe/Berlin. Default: UTC alone.",
    )
    run_alerts: _List = Field(
        default=None,
        description="Events of a run that are mailed without a hook: failed, stopped, "
        "completed, recovered, silent, late, paused; or none. Default: failed, silent, paused, "
        "recovered.",
    )
    max_duration: _Number = Field(
        default=None,
        description="Seconds a run may take before it is mailed as late. Default: three times "
        "its usual duration, if run_alerts names late.",
    )

    def model_post_init(self, context: Any, /) -> None:
        """Check the settings of a step or pipeline when ZenML compiles it, not at the alert.

        Raises:
            ValueError: A value is invalid.
        """
        # A component must load whatever is stored, and a post obeys on_delivery_failure.
        if type(self) is SMTPEmailAlerterSettings:
            from .settings import resolve

            given = self.model_dump(exclude_none=True).items()
            known = {name: value for name, value in given if not is_secret_reference(value)}
            resolve(known)

    @property
    def required_secrets(self) -> set[SecretReference]:
        """The secrets that are referred to, also in lists and in options."""
        from .settings import references_in

        return set(references_in(self.model_dump()))


class SMTPEmailAlerterConfig(BaseAlerterConfig, SMTPEmailAlerterSettings):
    """The component's configuration: the settings' widest scope."""

    # What an older or newer zenmail stored must not make the component unloadable.
    model_config = ConfigDict(extra="ignore", frozen=True)

    @property
    def is_valid(self) -> bool:
        """Check the configuration without a network and without reading a secret.

        Raises:
            ConfigurationError: The configuration is wrong.
        """
        from .validation import check_registration

        check_registration(self.raw())
        return True

    def raw(self) -> dict[str, Any]:
        """Return the values that are set, secret references unresolved."""
        return {name: value for name, value in self.model_dump().items() if value is not None}

    def shown(self) -> dict[str, Any]:
        """Return `raw` with clear-text secrets masked."""
        fields = type(self).model_fields
        return {
            name: value if fields[name].repr or is_secret_reference(value) else "********"
            for name, value in self.raw().items()
        }

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        yield from self.shown().items()
