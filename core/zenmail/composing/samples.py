"""What mails look like: alerts of real runs, written as files without being sent."""

from __future__ import annotations

import base64
import json
import pkgutil
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .compose import compose
from .render import users_loader

if TYPE_CHECKING:
    from ..alert import Alert
    from ..email import Email

__all__ = ["Preview", "preview", "sample", "sample_names"]


@cache
def _recorded() -> dict[str, Any]:
    # Recorded by `python -m gallery`, in tests/zenml_integration.
    data = pkgutil.get_data("zenmail.composing", "samples.json") or b"{}"
    recorded: dict[str, Any] = json.loads(data)
    return recorded


def sample_names() -> list[str]:
    """Return the names of the recorded alerts."""
    return list(_recorded())


def sample(name: str) -> Alert:
    """Return an alert that a run of ZenML sent."""
    from ..alert import Alert

    return Alert.model_validate(_recorded()[name])


class Preview(NamedTuple):
    """Where a preview was written.

    Attributes:
        html: The HTML part with its pictures, to open in a browser; None without HTML.
        text: The text part.
        eml: The whole mail.
    """

    html: Path | None
    text: Path
    eml: Path


def preview(
    alert: Alert,
    folder: str | Path,
    *,
    name: str = "alert",
    templates: str | Path | None = None,
) -> Preview:
    """Write what an alert looks like, without sending it.

    Args:
        alert: What happened.
        folder: Where to write; made when it does not exist.
        name: What the files are called, without ending.
        templates: Custom templates, as for `compose`.

    Raises:
        OSError: The folder cannot be written to.
        TemplateError: There are no templates where they are said to be.
    """
    if templates is not None:
        # `compose` would do without: an alert matters more than its looks.
        users_loader(str(templates))
    email = compose(
        alert,
        sender="ZenML alerts <alerts@example.com>",
        to="oncall@example.com",
        templates=templates,
    )
    home = Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    files = Preview(
        home / f"{name}.html" if email.html is not None else None,
        home / f"{name}.txt",
        home / f"{name}.eml",
    )
    if files.html is not None:
        files.html.write_text(_standalone(email), encoding="utf-8")
    files.text.write_text(email.text, encoding="utf-8")
    files.eml.write_bytes(email.as_bytes())
    return files


def _standalone(email: Email) -> str:
    """Return the HTML part with its pictures inside, for a browser knows no ``cid:``."""
    html = email.html or ""
    for item in email.attachments:
        if item.content_id:
            data = base64.b64encode(item.read()).decode("ascii")
            html = html.replace(
                f'"cid:{item.content_id}"', f'"data:{item.content_type};base64,{data}"'
            )
    return html
