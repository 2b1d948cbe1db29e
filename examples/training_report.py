"""Mail a report after training: metrics, how they changed, a table and the loss curve.

Run it on a stack with an alerter: python examples/training_report.py
"""

import io
import struct
import zlib
from typing import Annotated

from zenml import pipeline, step
from zenml.client import Client

from zenmail_zenml import AlerterImage, SMTPEmailAlerterParameters


@step
def train(epochs: int) -> Annotated[list[float], "losses"]:
    """Return the loss of each epoch."""
    return [round(2.0 * 0.7**epoch + 0.05, 4) for epoch in range(epochs)]


@step
def report(losses: list[float]) -> None:
    """Mail what came out."""
    parameters = SMTPEmailAlerterParameters(
        subject="Training report",
        severity="success",
        metrics={"loss": losses[-1], "epochs": len(losses)},
        baseline={"loss": losses[0]},
        tables={"By epoch": [{"epoch": n, "loss": x} for n, x in enumerate(losses, start=1)]},
        images=[AlerterImage(content=draw(losses), alt="The loss falls", caption="Loss")],
        next_steps=["Look at the curve.", "Promote the model if it is flat."],
    )
    alerter = Client().active_stack.alerter
    assert alerter is not None
    alerter.post(f"Training done\nThe loss fell from {losses[0]} to {losses[-1]}.", parameters)


def draw(losses: list[float]) -> bytes:
    """Return the loss curve as a PNG: matplotlib's, or bars where it is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return _bars(losses)
    figure = Figure(figsize=(6, 3))
    axes = figure.subplots()
    axes.plot(range(1, len(losses) + 1), losses)
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss")
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()


def _bars(values: list[float], width: int = 480, height: int = 160) -> bytes:
    tallest = max(values)
    tops = [height - int(value / tallest * (height - 10)) for value in values]
    white, blue = b"\xff\xff\xff", b"\x2a\x4d\x9b"
    rows = b""
    for y in range(height):
        bars = (tops[x * len(values) // width] <= y for x in range(width))
        rows += b"\0" + b"".join(blue if bar else white for bar in bars)

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pipeline(enable_cache=False)
def training_report(epochs: int = 8) -> None:
    """Train, then report."""
    report(train(epochs))


if __name__ == "__main__":
    training_report()
