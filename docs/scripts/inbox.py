"""Draw an inbox of recorded mails by their threads: ``python docs/scripts/inbox.py``.

Each mail is composed from an alert of a real run. Thread, subject and preview text are those
that mail programs use. Needs Chromium and Pillow.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from email import message_from_bytes, policy
from html import escape, unescape
from pathlib import Path

from PIL import Image, ImageOps

from zenmail import Email, compose
from zenmail.composing.samples import sample, sample_names

IMAGE = Path(__file__).resolve().parents[1] / "images/threads.png"
WIDTH, HEIGHT = 1100, 640
# For other tests: alphabets, hostile markup, another alerter's text.
LEFT_OUT = {"hostile", "japanese", "hebrew", "stock-hook", "aligned-text"}
STYLE = """
body{margin:0;background:#fff;color:#1f2328;font:15px/1.4 "Noto Sans",Arial,sans-serif}
h1{margin:0;padding:14px 20px;font-size:17px;background:#f2f4f7;border-bottom:1px solid #d0d7de}
div{display:flex;gap:12px;padding:7px 20px;border-bottom:1px solid #e6e9ed;white-space:nowrap}
div.reply{padding-left:48px;background:#f8fafc}
b{flex:none}span{overflow:hidden;text-overflow:ellipsis;color:#59636e;flex:1}
i{flex:none;font-style:normal;background:#e6e9ed;border-radius:9px;padding:0 8px}
"""


def row(mail: Email, *, count: int = 0, reply: bool = False) -> str:
    """Return one line of the inbox."""
    hidden = re.search(
        r"<div[^>]*display:none[^>]*>(.*?)(?:&#847;|</div>)", mail.html or "", re.S
    )
    preview = " ".join(unescape(hidden[1]).split()) if hidden else ""
    badge = f"<i>{count}</i>" if count > 1 else ""
    moment = mail.date.strftime("%H:%M") if mail.date else ""
    return (
        f"<div class='{'reply' if reply else ''}'><b>{escape(mail.subject)}</b>{badge}"
        f"<span>{escape(preview)}</span>{moment}</div>"
    )


def draw() -> None:
    """Write the picture."""
    threads: dict[str, list[Email]] = {}
    for name in sample_names():
        if name not in LEFT_OUT:
            mail = compose(sample(name), sender="alerts@example.com", to="oncall@example.com")
            parsed = message_from_bytes(mail.as_bytes(), policy=policy.default)
            threads.setdefault(str(parsed["References"]), []).append(mail)
    rows = []
    for mails in sorted(threads.values(), key=lambda one: one[-1].date or 0, reverse=True):
        rows.append(row(mails[-1], count=len(mails)))
        if len(mails) > 1:
            rows += [row(mail, reply=True) for mail in mails]
    page = f"<meta charset=utf-8><style>{STYLE}</style><h1>Inbox</h1>{''.join(rows)}"
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "inbox.html"), Path(folder, "inbox.png")
        source.write_text(page, encoding="utf-8")
        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu"]
        command += [f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={target}"]
        subprocess.run([*command, source.as_uri()], check=True, capture_output=True)  # noqa: S603
        picture = Image.open(target).convert("RGB")
    # Without the empty space below the last line.
    drawn = ImageOps.invert(picture).getbbox() or (0, 0, WIDTH, HEIGHT)
    picture.crop((0, 0, WIDTH, drawn[3])).quantize(64).save(IMAGE, optimize=True)


if __name__ == "__main__":
    draw()
