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
    """Alerts by e-mail, through any transport of zenmail."""

    @property
    def name(self) -> str:
        """What users type after ``--flavor=``."""
        return "smtp_email"

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
