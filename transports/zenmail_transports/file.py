"""The transport that keeps each mail as a file: .eml, or a message in a maildir."""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from zenmail import (
    Check,
    DeliveryError,
    Email,
    Envelope,
    Receipt,
    SendRequest,
    TransportOptions,
    VerifyRequest,
    hookimpl,
)

from .folder import Folder, file_name

__all__ = ["FileOptions"]


class FileOptions(TransportOptions):
    """Options of the file transport."""

    folder: Path = Field(
        description="Folder for the mails; if it does not exist, it is created for this user "
        "alone. A symbolic link is refused."
    )
    format: Literal["eml", "maildir"] = Field(
        default="eml",
        description="One file per mail (eml), or a mailbox for mail programs (maildir).",
    )
    keep_envelope: bool = Field(
        default=False,
        description="Write the envelope's sender and recipients, blind copies included, into "
        "a .json file next to each .eml file.",
    )

    @field_validator("folder")
    @classmethod
    def _expand(cls, value: Path) -> Path:
        if not str(value) or str(value) == ".":
            raise ValueError("give the folder's path")
        if "\0" in str(value):
            raise ValueError("a path cannot contain a NUL character")
        return value.expanduser()

    @model_validator(mode="after")
    def _check(self) -> FileOptions:
        if self.keep_envelope and self.format == "maildir":
            raise ValueError("a maildir cannot store the envelope; choose format eml")
        return self


@hookimpl
def transport_options() -> type[FileOptions]:
    """Return the class of the options."""
    return FileOptions


@hookimpl
def send_email(request: SendRequest[FileOptions]) -> Receipt:
    """Keep the mail; every recipient counts as accepted."""
    options = request.options
    with Folder.open(options.folder) as folder:
        if options.format == "maildir":
            path = _to_maildir(folder, request.email)
        else:
            kept = request.envelope if options.keep_envelope else None
            path = _to_eml(folder, request.email, kept)
    return Receipt(accepted=request.envelope.recipients, detail=f"Kept in {path}.")


@hookimpl
def verify_transport(request: VerifyRequest[FileOptions]) -> Iterable[Check]:
    """Check that the folder can be written to."""
    try:
        with Folder.open(request.options.folder) as folder:
            folder.probe()
    except DeliveryError as error:
        return [Check.failed("folder", error)]
    return [Check("folder", "passed", f"{request.options.folder} can be written to.")]


def _to_eml(folder: Folder, email: Email, envelope: Envelope | None) -> Path:
    name = file_name(email.date, email.subject, ".eml")
    if envelope is None:
        return folder.add(name, email.chunks())
    sidecar = name.removesuffix(".eml") + ".json"
    kept = json.dumps({"sender": envelope.sender, "recipients": envelope.recipients})
    # First, so that no mail ever stands there without its envelope.
    folder.add(sidecar, [kept.encode("ascii")])
    try:
        return folder.add(name, email.chunks())
    except BaseException:
        folder.remove(sidecar)
        raise


def _to_maildir(folder: Folder, email: Email) -> Path:
    """Deliver as https://cr.yp.to/proto/maildir.html describes."""
    host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname()) or "localhost"
    name = f"{int(time.time())}.P{os.getpid()}R{secrets.token_hex(8)}.{host}"
    with (
        folder.subfolder("cur"),
        folder.subfolder("tmp") as tmp,
        folder.subfolder("new") as new,
    ):
        # Mailboxes have the system's line ends; a mail has no CR but before an LF.
        lines = (chunk.replace(b"\r", b"") for chunk in email.chunks())
        return tmp.add(name, lines, into=new)
