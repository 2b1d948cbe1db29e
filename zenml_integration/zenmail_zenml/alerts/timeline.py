"""A small PNG of when each step of a run was running, drawn without a library."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

from zenmail import Image, StepSummary

__all__ = ["draw_timeline"]

_WIDTH, _ROW, _BAR, _EDGE = 592, 14, 8, 6
_MAX_STEPS = 60
_BACKGROUND, _LANE = (255, 255, 255), (236, 239, 243)
_COLOURS = {
    "completed": (22, 130, 74),
    "cached": (120, 130, 145),
    "failed": (190, 30, 45),
    "running": (37, 99, 190),
}
_OTHER = (150, 110, 20)


def draw_timeline(steps: Sequence[StepSummary]) -> Image | None:
    """Return the timeline, or None if no step has a start and a duration.

    Args:
        steps: The steps, in the order of the table next to the timeline.
    """
    timed = [step for step in steps if step.started is not None and step.seconds is not None]
    if not timed:
        return None
    shown = timed[:_MAX_STEPS]
    end = max((step.started or 0.0) + (step.seconds or 0.0) for step in shown)
    scale = (_WIDTH - 2 * _EDGE) / max(end, 1e-6)
    rows = [_row(_BACKGROUND, ())] * _EDGE
    for step in shown:
        left = _EDGE + int((step.started or 0.0) * scale)
        right = max(
            left + 3, _EDGE + int(((step.started or 0.0) + (step.seconds or 0.0)) * scale)
        )
        colour = _COLOURS.get(step.status, _OTHER)
        lane = (_EDGE, _WIDTH - _EDGE, _LANE)
        gap = (_ROW - _BAR) // 2
        blank = _row(_BACKGROUND, ())
        rows += [blank] * gap
        rows += [_row(_BACKGROUND, (lane, (left, min(right, _WIDTH - _EDGE), colour)))] * _BAR
        rows += [blank] * (_ROW - _BAR - gap)
    rows += [_row(_BACKGROUND, ())] * _EDGE
    return Image(source=_png(_WIDTH, rows), alt=_alt_text(shown, len(timed)))


def _row(
    background: tuple[int, int, int], bars: Sequence[tuple[int, int, tuple[int, int, int]]]
) -> bytes:
    row = bytearray(bytes(background) * _WIDTH)
    for left, right, colour in bars:
        row[3 * left : 3 * right] = bytes(colour) * (right - left)
    return bytes(row)


def _alt_text(steps: Sequence[StepSummary], total: int) -> str:
    """Return the timeline in words."""
    parts = [
        f"{step.name} ({step.status}) from {step.started or 0:.1f} s "
        f"to {(step.started or 0) + (step.seconds or 0):.1f} s"
        for step in steps[:12]
    ]
    more = f" and {total - len(parts)} more" if total > len(parts) else ""
    return f"Timeline of the steps: {'; '.join(parts)}{more}."


def _png(width: int, rows: Sequence[bytes]) -> bytes:
    """Encode RGB rows as PNG (https://www.w3.org/TR/png-3/, section 5)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, len(rows), 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"IDAT", pixels),
            chunk(b"IEND", b""),
        ]
    )
