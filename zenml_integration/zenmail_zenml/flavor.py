"""The flavor ``smtp_email``, as ``zenml alerter flavor register`` takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zenml.alerter.base_alerter import BaseAlerterFlavor
from zenml.models import ServiceConnectorRequirements

from .config import SMTPEmailAlerterConfig

if TYPE_CHECKING:
    from .alerter import SMTPEmailAlerter

__all__ = ["SMTPEmailAlerterFlavor"]


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
