"""What ZenML's server loads: ``ZENML_SERVER_EVENT_HANDLER_SOURCES``."""

from .watching.handler import RunAlerts

__all__ = ["RunAlerts"]
