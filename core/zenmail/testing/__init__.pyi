from .captured_mail import CapturedMail as CapturedMail
from .captured_mail import SentMail as SentMail
from .conformance import Arrived as Arrived
from .conformance import TransportConformance as TransportConformance
from .smtp_server import SMTPServer as SMTPServer

__all__: list[str]
