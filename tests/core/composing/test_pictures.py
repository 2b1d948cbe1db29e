"""Behaviour of pictures: every kind is shown, none loses the alert."""

from __future__ import annotations

import base64
import io
import struct
from pathlib import Path
from typing import Any

import pytest

from zenmail import Alert, Email, Image, compose
from zenmail.composing.pictures import LARGEST, MOST, load_pictures

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffc0000b0800050007010111")
GIF = b"GIF89a\x03\x00\x02\x00"


class Axes:
    def get_title(self) -> str:
        return "Loss by epoch"


class Figure:
    """As much of a matplotlib figure as is needed."""

    axes = (Axes(),)

    def savefig(self, stream: Any, **options: object) -> None:
        assert options["format"] == "png"
        stream.write(PNG)


class Broken:
    def savefig(self, stream: Any, **options: object) -> None:
        raise RuntimeError("no display")


class Stopped(Exception):
    """What a signal handler raises."""


class Stopping:
    def savefig(self, stream: Any, **options: object) -> None:
        raise Stopped


def mail(*images: Image, **options: Any) -> Email:
    """Return an alert with these pictures as a mail."""
    return compose(
        Alert(title="Title", images=images),
        sender="a@example.com",
        to="b@example.com",
        **options,
    )


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        (PNG, "image/png"),
        (JPEG, "image/jpeg"),
        (GIF, "image/gif"),
        (Figure(), "image/png"),
        (bytearray(PNG), "image/png"),
    ],
)
def test_pictures_stand_inline_with_alt_text(source: object, kind: str) -> None:
    """A picture travels beside the HTML, which names it; both parts say what it shows."""
    email = mail(Image(source=source, alt='A "curve"', caption="Below"))
    (item,) = email.attachments
    assert item.content_type == kind
    assert f'src="cid:{item.content_id}"' in (email.html or "")
    assert 'alt="A &#34;curve&#34;"' in (email.html or "")
    assert '[Picture: A "curve"]' in email.text
    assert "Below" in email.text


def test_picture_from_a_file(tmp_path: Path) -> None:
    """A path is read; its name stands in for a missing alt text."""
    path = tmp_path / "roc_curve.png"
    path.write_bytes(PNG)
    assert "[Picture: roc_curve]" in mail(Image(source=path)).text
    assert "[Picture: roc_curve]" in mail(Image(source=str(path))).text


def test_figure_without_alt_is_called_by_its_title() -> None:
    """A figure's own title stands in for a missing alt text."""
    assert "[Picture: Loss by epoch]" in mail(Image(source=Figure())).text


@pytest.mark.parametrize(
    "source", [Broken(), b"<svg/>", "/no/such/file.png", 5, None, b"", "x" * 10_000, "\0"]
)
def test_a_picture_that_fails_is_a_note(source: object) -> None:
    """The alert arrives, with the reason in place of the picture."""
    email = mail(Image(source=source, alt="The curve"), Image(source=PNG, alt="Good"))
    assert 'The picture "The curve" could not be shown' in email.text.replace("\n", " ")
    assert "[Picture: Good]" in email.text
    assert len(email.attachments) == 1


def test_too_large_or_too_many_pictures_are_refused_with_a_note() -> None:
    """What would make the mail too large is left out and said."""
    email = mail(
        Image(source=PNG + b"\0" * LARGEST, alt="Huge"), *[Image(source=PNG)] * (MOST + 2)
    )
    assert len(email.attachments) <= MOST + 1
    assert "is left out" in email.text


def test_a_stop_signal_is_not_swallowed() -> None:
    """An exception that ends the program passes through."""
    with pytest.raises(Stopped):
        mail(Image(source=Stopping()), pass_through=(Stopped,))


def test_matplotlib_figure() -> None:
    """A real figure becomes a PNG."""
    figure = pytest.importorskip("matplotlib.figure").Figure()
    figure.subplots().set_title("Loss")
    email = mail(Image(source=figure))
    assert email.attachments[0].read().startswith(b"\x89PNG")
    assert "[Picture: Loss]" in email.text


def test_pil_image() -> None:
    """A real PIL image becomes a PNG that is not wider than it need be."""
    pil = pytest.importorskip("PIL.Image")
    email = mail(Image(source=pil.new("CMYK", (5000, 100))))
    data = email.attachments[0].read()
    assert data.startswith(b"\x89PNG")
    assert int.from_bytes(data[16:20], "big") == 1200


def _png_header(width: int, height: int) -> bytes:
    return (
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height) + b"\x08\x06\0\0\0"
    )


@pytest.mark.parametrize(
    "data",
    [
        _png_header(2**31 - 1, 1),
        _png_header(2**31, 2**31),
        _png_header(40_000, 40_000),
        b"GIF89a" + struct.pack("<HH", 65_535, 65_535),
        b"\xff\xd8\xff\xc0\0\x11\x08" + struct.pack(">HH", 65_535, 65_535) + b"\0" * 9,
    ],
)
def test_a_header_that_claims_too_many_pixels_is_refused(data: bytes) -> None:
    """Nobody's mail program, and no decoder of ours, has to hold them."""
    pictures, notes = load_pictures([Image(source=data)])
    assert not pictures
    assert "million pixels" in notes[0]


@pytest.mark.parametrize("kind", ["EPS", "TIFF", "BMP", "PPM", "ICO"])
def test_only_four_formats_are_decoded(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostScript starts no Ghostscript, and a small TIFF takes no gigabytes."""
    pil = pytest.importorskip("PIL.Image")
    stream = io.BytesIO()
    pil.new("RGB", (2, 2)).save(stream, kind)
    started: list[object] = []
    monkeypatch.setattr("subprocess.Popen", lambda *given, **_: started.append(given))
    pictures, notes = load_pictures([Image(source=stream.getvalue())])
    assert not pictures
    assert "not a readable PNG, JPEG, GIF or WebP" in notes[0]
    assert not started


def test_webp_is_converted() -> None:
    """It is decoded, and shown as a PNG, which every mail program knows."""
    pil = pytest.importorskip("PIL.Image")
    stream = io.BytesIO()
    pil.new("RGB", (2, 2)).save(stream, "WEBP")
    pictures, _ = load_pictures([Image(source=stream.getvalue())])
    assert pictures[0].attachment.content_type == "image/png"


@pytest.mark.parametrize("size", [(0.2, 0.2), (7, 3), (40, 2), (4, 60)])
def test_plots_of_matplotlib_in_any_size(size: tuple[float, float]) -> None:
    """Axes, an array of them as pandas returns it, and figures: small enough for a mail."""
    figures = pytest.importorskip("matplotlib.figure", reason="needs matplotlib")
    figure = figures.Figure(figsize=size)
    grid = figure.subplots(2, 2) if min(size) > 1 else figure.subplots()
    for plot in (figure, grid):
        email = mail(Image(source=plot))
        (picture,) = email.attachments
        assert picture.content_type == "image/png"
        assert picture.size < 1_500_000
        assert "width=" in (email.html or "")
