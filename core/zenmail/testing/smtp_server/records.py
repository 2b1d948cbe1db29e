"""What a server keeps of its dialogues."""

from __future__ import annotations

from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Literal

__all__ = ["Line", "ReceivedMail"]


@dataclass(frozen=True)
class Line:
    """One line of a dialogue.

    Attributes:
        connection: Which connection, counted from 0.
        speaker: "C" for the client, "S" for the server.
        text: What was said, without the line end; mails are left out.
        encrypted: Whether TLS was on.
    """

    connection: int
    speaker: Literal["C", "S"]
    text: bytes
    encrypted: bool


@dataclass(frozen=True)
class ReceivedMail:
    """A mail that the server took, even if its answer did not get through.

    Attributes:
        sender: The address of MAIL.
        recipients: The addresses of RCPT that were accepted.
        content: The mail, without the dots that DATA doubles.
        parameters: The parameters of MAIL, such as ``SIZE=321``.
        connection: Which connection, counted from 0.
        command: "DATA" or "BDAT".
        username: Who was logged in, or "".
        encrypted: Whether TLS was on.
    """

    sender: str
    recipients: list[str]
    content: bytes = field(repr=False)
    parameters: str = ""
    connection: int = 0
    command: Literal["DATA", "BDAT"] = "DATA"
    username: str = ""
    encrypted: bool = False

    @property
    def message(self) -> EmailMessage:
        """The mail, parsed."""
        return message_from_bytes(self.content, policy=policy.default)
