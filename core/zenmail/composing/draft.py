"""The mail that an alert becomes: drafted anew with less until it is small enough."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from ..address import parse_mailbox, split_valid
from ..addressing import Addressing
from ..clean import clean_line
from ..email import Email
from ..errors import TemplateError
from ..patterns import pattern
from ..redaction.own_secrets import process_secrets
from ..redaction.redact import Redactor
from .builder import ContentBuilder
from .content import Content
from .render import Page
from .safe_texts import Limits

if TYPE_CHECKING:
    from ..alert import Alert

__all__ = ["draft_mail", "list_id_for"]

_logger = logging.getLogger(__name__)

# What the limits are multiplied with, one after the other, until the mail is small enough.
_SCALES: Final = (1.0, 0.5, 0.25, 0.1)
_LAST_SCALE: Final = 0.03
_HTML_LIMIT: Final = 60_000
_MAIL_LIMIT: Final = 100_000
# Below this many characters, no encoding can bring a mail near its limit: base64 makes four
# bytes of three, and no character has more than four.
_SMALL: Final = 16_000
# Of ASCII text, base64 makes 37 % more; the header fields take the rest.
_SMALL_ASCII: Final = 60_000


def draft_mail(
    alert: Alert,
    addressing: Addressing,
    subject: str,
    secrets: tuple[str, ...],
    pass_through: tuple[type[BaseException], ...],
) -> Email:
    """Return an alert's mail; see `compose`."""
    values = (*secrets, *(process_secrets() if addressing.redact else ()))

    def redactor() -> Redactor:
        return Redactor(values, shapes=addressing.redact)

    def hide(text: str) -> str:
        return redactor().text(text)

    reply_to, invalid = split_valid(addressing.reply_to)
    for why in invalid.values():
        # Answers that go to the sender are better than no alert.
        _logger.warning("An address in reply_to was left out: %s", hide(why))
    topic = alert.incident or alert.thread

    def draft(scale: float) -> tuple[Email, bool]:
        builder = ContentBuilder(
            alert,
            redactor(),
            Limits().scaled(scale),
            subject=subject,
            subject_prefix=addressing.subject_prefix,
            time_zone=addressing.time_zone,
            pass_through=pass_through,
        )
        content = builder.content()
        text, html = _parts(builder, content, addressing, hide)
        email = Email(
            sender=addressing.sender,
            to=addressing.to,
            cc=addressing.cc,
            bcc=addressing.bcc,
            reply_to=reply_to,
            subject=clean_line(f"{builder.prefix} {content.subject}"),
            text=text,
            html=html,
            attachments=builder.attachments,
            headers=builder.headers,
            thread=_root_of(topic, addressing.sender) if topic else "",
            list_id=_list_id(builder.list_id),
            importance="high" if alert.severity in ("critical", "error") else "normal",
            date=alert.occurred_at,
        )
        return email, _fits(email, builder)

    for scale in _SCALES:
        email, fits = draft(scale)
        if fits:
            return email
    return draft(_LAST_SCALE)[0]


def _parts(
    builder: ContentBuilder,
    content: Content,
    addressing: Addressing,
    hide: Callable[[str], str],
) -> tuple[str, str | None]:
    """Return the text and the HTML part, with zenmail's templates where others fail."""
    page, templates = Page(content), addressing.templates
    text: str | None = None
    own_html = html = builder.html if addressing.include_html else None
    if templates:
        try:
            if addressing.include_html and html is None:
                html = page.with_templates(templates, "alert.html")
            text = page.with_templates(templates, "alert.txt")
        except TemplateError as error:
            _logger.warning(
                "The templates %s cannot be used; zenmail's own are used instead: %s",
                clean_line(templates, limit=300),
                clean_line(hide(str(error)), limit=1000),
            )
            builder.note(
                "The template chosen for this mail could not be used; zenmail's own was used "
                "instead. The log of the sender says why."
            )
            text, html = None, own_html
    if addressing.include_html and html is None:
        html = page.html()
    return page.text() if text is None else text, html


def _fits(email: Email, builder: ContentBuilder) -> bool:
    """Whether the mail, without what the alert brought itself, is within its limits."""
    html = (email.html or "") if builder.html is None else ""
    spilled = builder.spilled_files
    size = len(email.text) + len(html) + sum(len(file.content or b"") for file in spilled)
    if size < (_SMALL_ASCII if email.text.isascii() and html.isascii() else _SMALL):
        return True
    if len(html.encode("utf-8")) > _HTML_LIMIT:
        return False
    slim = email.model_copy(update={"attachments": tuple(spilled), "html": html or None})
    return slim.size() <= _MAIL_LIMIT


def _root_of(thread: str, sender: str) -> str:
    """Return the id of a mail that was never sent and that all mails of a run answer.

    SES replaces a Message-ID, so a real first mail would be no root; mail programs need
    only the same id each time.
    """
    digest = blake2b(thread.encode("utf-8", "replace"), digest_size=12).hexdigest()
    return f"<run-{digest}@{parse_mailbox(sender).domain}>"


def _list_id(given: str) -> str:
    bare = given.strip("<> ")
    if _LIST_ID.fullmatch(bare):
        return bare
    return list_id_for(given) if given else ""


_LIST_ID = pattern(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+")


def list_id_for(pipeline: str) -> str:
    """Return the List-Id (RFC 2919) of a pipeline's mails.

    Args:
        pipeline: The pipeline's name, in any script.

    Returns:
        ``train-model.pipeline.zenmail`` for "Train model"; a name without Latin letters
        or digits is given by a digest.
    """
    plain = (
        unicodedata.normalize("NFKD", pipeline[:200]).encode("ascii", "ignore").decode("ascii")
    )
    slug = re.sub(r"[^a-z0-9_]+", "-", plain.lower()).strip("-_")[:60].rstrip("-_")
    if not slug or not pipeline.isascii():
        digest = blake2b(pipeline.encode("utf-8", "replace"), digest_size=5).hexdigest()
        slug = f"{slug}-{digest}".lstrip("-")
    return f"{slug}.pipeline.zenmail"
