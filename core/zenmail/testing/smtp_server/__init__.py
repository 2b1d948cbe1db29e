"""An SMTP server for tests: real sockets, real TLS, and faults by script.

```python
with SMTPServer(users={"u": "p"}) as server:
    server.on("rcpt", "550 5.1.1 Unknown", matching="bob@")
    mailer = Mailer("smtp", options=server.options(username="u", password="p"))
    receipt = mailer.send(email)
assert server.mails[0].recipients == ["alice@example.com"]
```
"""

from __future__ import annotations

from .faults import Action, Cut, Delay, Drip, Drop, Endless, Hang, Inject, Phase, Send
from .server import Authority, SMTPServer
from .state import Line, ReceivedMail

__all__ = [
    "Action",
    "Authority",
    "Cut",
    "Delay",
    "Drip",
    "Drop",
    "Endless",
    "Hang",
    "Inject",
    "Line",
    "Phase",
    "ReceivedMail",
    "SMTPServer",
    "Send",
]
