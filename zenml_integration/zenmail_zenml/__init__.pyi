from .alerter import SMTPEmailAlerter as SMTPEmailAlerter
from .alerts.message import AlerterImage as AlerterImage
from .alerts.message import AlerterMessage as AlerterMessage
from .alerts.message import SMTPEmailAlerterParameters as SMTPEmailAlerterParameters
from .alerts.message import SMTPEmailAlerterPayload as SMTPEmailAlerterPayload
from .config import SMTPEmailAlerterConfig as SMTPEmailAlerterConfig
from .config import SMTPEmailAlerterSettings as SMTPEmailAlerterSettings
from .flavor import SMTPEmailAlerterFlavor as SMTPEmailAlerterFlavor
from .hooks import smtp_email_alerter_end_hook as smtp_email_alerter_end_hook
from .hooks import smtp_email_alerter_failure_hook as smtp_email_alerter_failure_hook
from .hooks import smtp_email_alerter_start_hook as smtp_email_alerter_start_hook
from .hooks import smtp_email_alerter_success_hook as smtp_email_alerter_success_hook
from .steps import alerter_post_step as alerter_post_step

__all__: list[str]

def install_import_paths() -> None: ...
