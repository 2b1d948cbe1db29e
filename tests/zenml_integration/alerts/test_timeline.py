"""The timeline: a valid PNG with a bar for each step, and its text."""

from __future__ import annotations

import struct
import zlib

import pytest

from zenmail import StepSummary
from zenmail_zenml.alerts.timeline import draw_timeline

pytestmark = pytest.mark.zenml


def steps(count: int) -> list[StepSummary]:
    """Return steps that run one after another, a second each."""
    return [
        StepSummary(name=f"s{number}", status="completed", started=float(number), seconds=1.0)
        for number in range(count)
    ]


def pixels(png: bytes) -> list[list[bytes]]:
    """Return the pixels of an unfiltered RGB picture, row by row; check its checksums."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, offset = {}, 8
    while offset < len(png):
        (length,) = struct.unpack_from(">I", png, offset)
        body = png[offset + 4 : offset + 8 + length]
        assert struct.unpack_from(">I", png, offset + 8 + length) == (zlib.crc32(body),)
        chunks[body[:4]] = body[4:]
        offset += length + 12
    width, height = struct.unpack_from(">II", chunks[b"IHDR"])
    data = zlib.decompress(chunks[b"IDAT"])
    assert len(data) == height * (1 + 3 * width)
    rows = [
        data[start + 1 : start + 1 + 3 * width] for start in range(0, len(data), 1 + 3 * width)
    ]
    return [[row[at : at + 3] for at in range(0, len(row), 3)] for row in rows]


def test_each_step_has_a_bar_in_its_place() -> None:
    """The first step's bar is at the left edge, the second's at the right."""
    image = draw_timeline(steps(2))
    assert image is not None
    assert isinstance(image.source, bytes)
    rows = pixels(image.source)
    first, second = rows[6 + 7], rows[6 + 14 + 7]
    green = bytes((22, 130, 74))
    assert first[10] == second[580] == green
    assert green not in (first[580], second[10])


def test_the_text_says_what_the_picture_shows() -> None:
    """Readers without pictures get the times of the first steps and a count of the rest."""
    image = draw_timeline(steps(15))
    assert image is not None
    assert "s0 (completed) from 0.0 s to 1.0 s; s1 (completed) from 1.0 s" in image.alt
    assert image.alt.endswith("and 3 more.")


def test_without_times_there_is_no_picture() -> None:
    """A step that has not started has no bar."""
    assert draw_timeline([StepSummary(name="s", status="initializing")]) is None
    assert draw_timeline([]) is None
