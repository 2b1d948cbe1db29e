"""An alert turned into a mail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..addressing import Addressing
from ..clean import as_text
from ..errors import ConfigurationError
from ..runtime.forks import defer_forks

if TYPE_CHECKING:
    from pydantic import SecretStr
    from typing_extensions import Unpack

    from ..addressing import AddressingArguments
    from ..alert import Alert
    from ..email import Email

__all__ = ["compose", "compose_addressed", "require_alert"]


def compose(
    alert: Alert,
    *,
    subject: str = "",
    secrets: str | SecretStr | Iterable[str | SecretStr] = (),
    pass_through: tuple[type[BaseException], ...] = (),
    **addressing: Unpack[AddressingArguments],
) -> Email:
    """Turn an alert into a mail.

    The HTML part has at most 60 KB and the mail, without the alert's own pictures and
    attachments, at most 100 KB; what was cut is said in the mail.

    Args:
        alert: What happened.
        subject: The subject, when it is not the alert's title.
        secrets: Values that must not stand in the mail, whatever ``redact`` says; texts,
            or such as `pydantic.SecretStr`.
        pass_through: Exceptions that end the program and are never caught.
        addressing: Sender, recipients and form of the mail: the fields of `Addressing`.

    Raises:
        AddressError: The sender is invalid, or there is no valid recipient.
        ConfigurationError: Another argument is unusable.
    """
    require_alert(alert)
    return compose_addressed(
        alert,
        Addressing(**addressing),
        subject=subject,
        secrets=secrets,
        pass_through=pass_through,
    )


@defer_forks()  # Jinja and the imports, its own and Pillow's, take locks all the way
def compose_addressed(
    alert: Alert,
    addressing: Addressing,
    *,
    subject: str = "",
    secrets: str | SecretStr | Iterable[str | SecretStr] = (),
    pass_through: tuple[type[BaseException], ...] = (),
) -> Email:
    """Turn an alert into a mail, see `compose`."""
    # A process that only sends mails does not pay for these imports.
    from .draft import draft_mail

    return draft_mail(alert, addressing, as_text(subject), _revealed(secrets), pass_through)


def require_alert(value: object) -> None:
    """Check that an untyped caller gave an alert.

    Raises:
        ConfigurationError: It is something else.
    """
    from ..alert import Alert

    if not isinstance(value, Alert):
        raise ConfigurationError(
            f"Expected an Alert, got {type(value).__name__}.",
            remedy='Make one: Alert(title="...", body="...").',
        )


def _revealed(secrets: Any) -> tuple[str, ...]:
    """Return the values to take out: one alone or several, wrapped, named or nested."""
    if secrets is None:
        return ()
    if hasattr(secrets, "get_secret_value") and not isinstance(secrets, type):
        return _revealed(secrets.get_secret_value())
    if isinstance(secrets, str | bytes | bytearray):
        return (as_text(secrets),)
    if isinstance(secrets, Mapping):
        secrets = secrets.values()
    elif not isinstance(secrets, Iterable) or isinstance(secrets, memoryview):
        raise ConfigurationError(
            f"Every secret must be a string, not {type(secrets).__name__}.",
            remedy="Give a list of strings.",
        )
    return tuple(value for item in secrets for value in _revealed(item))
