"""A mail made smaller, which says what it has lost."""

from __future__ import annotations

import re
from html import escape

from ..attachment import Attachment
from ..email import Email
from ..patterns import pattern

__all__ = ["shorten", "without_missing_files"]

# What is left of the text when the server does not say how much it takes.
_CAUTIOUS = 32 * 1024
_BODY_TAG = pattern(r"<body\b[^>]*>", re.IGNORECASE)


def shorten(email: Email, limit: int) -> Email | None:
    """Return the mail in at most ``limit`` bytes, or None when there is no way.

    Attachments go first, then the HTML part and its pictures, then the middle of the text.

    Args:
        email: The mail.
        limit: The most bytes that `Email.as_bytes` may have, or 0 when nobody said.
    """
    full = email.size()
    inline = tuple(item for item in email.attachments if item.content_id and email.html)
    files = tuple(item for item in email.attachments if item not in inline)
    takes = f"{limit:,}" if limit else "less"
    reason = f"It was shortened from {full:,} bytes, because the mail server takes {takes}."
    if files:
        lighter = _noted(email.replace(attachments=inline), f"{reason} {_left_out(files)}")
        if lighter.size() <= (limit or full - 1):
            return lighter
    dropped = f" {_left_out(email.attachments)}" if email.attachments else ""
    if email.html is not None:
        reason += " The HTML part is left out."
    plain = email.replace(attachments=(), html=None)
    whole = _noted(plain, reason + dropped)
    if (email.html is not None or dropped) and whole.size() <= (limit or full // 2):
        return whole
    room = limit or min(_CAUTIOUS, full // 2)
    keep = min(len(email.text), room)
    while keep:
        shorter = _noted(plain.replace(text=_cut(email.text, keep)), reason + dropped)
        size = shorter.size()
        if size <= room:
            return shorter
        keep = min(keep - 1, int(keep * 0.9 * room / size))
    return None


def without_missing_files(email: Email) -> Email:
    """Return the mail without the attachments that have gone from the disk meanwhile."""
    gone = tuple(
        item for item in email.attachments if item.path is not None and not item.path.is_file()
    )
    if not gone:
        return email
    kept = tuple(item for item in email.attachments if item not in gone)
    return _noted(email.replace(attachments=kept), f"{_left_out(gone)} No longer on disk.")


def _left_out(attachments: tuple[Attachment, ...]) -> str:
    names = ", ".join(item.filename for item in attachments[:10])
    more = f" and {len(attachments) - 10} more" if len(attachments) > 10 else ""
    return f"Left out: {names}{more}."


def _noted(email: Email, notice: str) -> Email:
    """Return the mail with a notice at the top of each part."""
    notice = f"About this mail: {notice}"
    html = email.html
    if html is not None:
        block = f'<div lang="en" dir="ltr"><p><strong>{escape(notice)}</strong></p></div>'
        body = _BODY_TAG.search(html)
        start = body.end() if body else 0
        html = html[:start] + block + html[start:]
    return email.replace(text=f"{notice}\n\n{email.text}", html=html)


def _cut(text: str, keep: int) -> str:
    """Keep the beginning and, since tracebacks end with the cause, the end."""
    if keep >= len(text):
        return text
    tail = keep // 3
    head, left_out, end = text[: keep - tail], len(text) - keep, text[len(text) - tail :]
    return f"{head}\n[... {left_out:,} characters left out ...]\n{end}"
