"""The flavor ``smtp_email``, as ``zenml alerter flavor register`` takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard
from urllib.parse import quote

from zenml.alerter.base_alerter import BaseAlerterFlavor
from zenml.models import ServiceConnectorRequirements
from zenml.stack import StackComponent

from .config import SMTPEmailAlerterConfig

if TYPE_CHECKING:
    from .alerter import SMTPEmailAlerter

__all__ = ["SMTPEmailAlerterFlavor", "is_email_alerter"]


_LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="#431d93" '
    'stroke-width="2"><rect x="2" y="4" width="20" height="16" rx="2"/>'
    '<path d="m2 7 10 7 10-7"/></svg>'
)


class SMTPEmailAlerterFlavor(BaseAlerterFlavor):
    """Alerts by e-mail, through any of zenmail's transports."""

    @property
    def name(self) -> str:
        """The flavor's name."""
        return "smtp_email"

    @property
    def display_name(self) -> str:
        """The flavor's name in the dashboard."""
        return "SMTP Email"

    @property
    def docs_url(self) -> str:
        """Where the documentation is."""
        return "https://pypi.org/project/zenmail/"

    @property
    def logo_url(self) -> str:
        """An envelope for the dashboard, without a request to anybody's server."""
        return f"data:image/svg+xml,{quote(_LOGO)}"

    @property
    def service_connector_requirements(self) -> ServiceConnectorRequirements:
        """An AWS connector can provide the session of the transport ``ses``."""
        return ServiceConnectorRequirements(connector_type="aws", resource_type="aws-generic")

    @property
    def config_class(self) -> type[SMTPEmailAlerterConfig]:
        """The class of the configuration."""
        return SMTPEmailAlerterConfig

    @property
    def implementation_class(self) -> type[SMTPEmailAlerter]:
        """The class of the alerter."""
        from .alerter import SMTPEmailAlerter

        return SMTPEmailAlerter


def is_email_alerter(component: StackComponent) -> TypeGuard[SMTPEmailAlerter]:
    """Whether a stack component has this flavor.

    Where zenmail lies below ZenML's source root, ZenML imports it a second time to find the
    hooks, and the alerter is not an instance of that copy's class.
    """
    return getattr(component, "flavor", "") == SMTPEmailAlerterFlavor().name
