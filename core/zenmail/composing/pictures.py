"""Pictures of any kind as inline attachments: figures, PIL images, files and bytes."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from ..alert import Image
from ..attachment import Attachment

__all__ = ["LARGEST", "MOST", "Picture", "figure_of", "load_pictures", "png_of", "title_of"]

LARGEST = 1_500_000
"""Bytes of a picture at most; a larger one is made smaller, or refused with a note."""
MOST = 10
"""Pictures in a mail at most."""
_LARGEST_READ = 20 * LARGEST
_WIDEST = 1200
_COLUMN = 592
_MOST_PIXELS = 50_000_000
_DECODED = ("PNG", "JPEG", "GIF", "WEBP")
_DEEPEST = 4
_KINDS = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
)


class Picture(NamedTuple):
    """A picture in the body, which the HTML calls ``cid``; ``width`` is in pixels, or 0."""

    cid: str
    alt: str
    caption: str
    width: int
    attachment: Attachment


def load_pictures(
    images: Iterable[Image],
    *,
    pass_through: tuple[type[BaseException], ...] = (),
) -> tuple[list[Picture], list[str]]:
    """Return the pictures that could be read, and a note for each that could not."""
    pictures: list[Picture] = []
    notes: list[str] = []
    for number, image in enumerate(images, 1):
        alt = image.alt or image.caption or f"Figure {number}"
        if len(pictures) >= MOST:
            notes.append(f'The picture "{alt}" is left out: a mail shows at most {MOST}.')
            continue
        try:
            if not (image.alt or image.caption):
                alt = title_of(image.source) or alt
            data = _read(image.source)
            _check_size(data)
            if len(data) > LARGEST or not _kind(data):
                data = _shrink(data)
        except pass_through:
            raise
        except Exception as error:
            reason = str(error) if isinstance(error, _Unusable) else type(error).__name__
            notes.append(f'The picture "{alt}" could not be shown: {reason}.')
            continue
        cid, kind = f"picture{number}", _kind(data)
        pictures.append(
            Picture(
                cid,
                alt,
                image.caption,
                min(_size(data)[0], _COLUMN),
                Attachment(
                    filename=f"{cid}.{'jpg' if kind == 'jpeg' else kind}",
                    content=data,
                    content_type=f"image/{kind}",
                    content_id=cid,
                    alt=alt,
                ),
            )
        )
    return pictures, notes


class _Unusable(Exception):
    """A picture that cannot be shown, with a reason fit for the mail."""


def _larger_than(size: int) -> str:
    return f"it is larger than {size / 1_000_000:g} MB"


def _read(source: Any) -> bytes:
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if isinstance(source, str | Path):
        path = Path(source)
        if not path.is_file():
            raise _Unusable("there is no such file")
        if path.stat().st_size > _LARGEST_READ:
            raise _Unusable(_larger_than(_LARGEST_READ))
        return path.read_bytes()
    if (figure := figure_of(source)) is not None:
        return _figure(figure)
    if callable(save := getattr(source, "save", None)) and hasattr(source, "size"):
        return _pil(source, save)
    if callable(read := getattr(source, "read", None)):
        data = read()
        if isinstance(data, bytes):
            return data
    raise _Unusable(f"zenmail cannot make a picture of {type(source).__name__}")


def figure_of(source: Any) -> Any:
    """Return the figure of a plot, axes, an array or list of axes, or a grid; or None."""
    for _ in range(_DEEPEST):
        if callable(getattr(source, "savefig", None)):
            return source
        if callable(get_figure := getattr(source, "get_figure", None)):
            source = get_figure()
        elif hasattr(getattr(source, "figure", None), "savefig"):
            source = source.figure
        elif isinstance(source, list | tuple | dict) or hasattr(source, "flat"):
            plots = source.values() if isinstance(source, dict) else source
            source = next(iter(getattr(plots, "flat", plots)), None)
        else:
            return None
    return None


def png_of(source: Any) -> bytes | None:
    """Return a plot or a PIL image as PNG or JPEG, or None for anything else."""
    if figure_of(source) is None and not (hasattr(source, "save") and hasattr(source, "size")):
        return None
    return _read(source)


def _figure(figure: Any) -> bytes:
    data = b""
    inches: Any = getattr(figure, "get_size_inches", None) or getattr(
        getattr(figure, "figure", None), "get_size_inches", None
    )
    width, height = inches() if inches is not None else (1.0, 1.0)
    largest = min(110.0, 2 * _WIDEST / max(width, 0.1), 4 * _WIDEST / max(height, 0.1))
    for share in (1.0, 0.5, 0.25):
        stream = io.BytesIO()
        # A white ground: a transparent figure is unreadable where the mail is dark.
        figure.savefig(
            stream,
            format="png",
            dpi=max(1.0, largest * share),
            facecolor="white",
            bbox_inches="tight",
        )
        data = stream.getvalue()
        if len(data) <= LARGEST:
            break
    return data


def _pil(image: Any, save: Any) -> bytes:
    width, height = image.size
    if width * height > _MOST_PIXELS:
        raise _Unusable(_TOO_MANY_PIXELS)
    if width > _WIDEST or height > 2 * _WIDEST:
        image = image.copy()
        image.thumbnail((_WIDEST, 2 * _WIDEST))
        save = image.save
    if getattr(image, "mode", "RGB") not in ("1", "L", "LA", "P", "RGB", "RGBA", "I"):
        save = image.convert("RGB").save
    save(png := io.BytesIO(), format="PNG")
    if png.tell() <= LARGEST:
        return png.getvalue()
    image.convert("RGB").save(jpeg := io.BytesIO(), format="JPEG", quality=80)
    return jpeg.getvalue()


def _shrink(data: bytes) -> bytes:
    """Return another kind or size of picture as one that every mail program shows."""
    try:
        from PIL import Image as Pillow  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        reason = _larger_than(LARGEST) if _kind(data) else "it is neither PNG, JPEG nor GIF"
        raise _Unusable(
            f"{reason}, and Pillow, which could convert it, is not installed"
        ) from None
    try:
        # Named, or Pillow would try all it knows: PostScript, too, by starting Ghostscript.
        with Pillow.open(io.BytesIO(data), formats=_DECODED) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise _Unusable(_TOO_MANY_PIXELS)
            image.load()
            smaller = _pil(image, image.save)
    except (OSError, Pillow.DecompressionBombError):
        raise _Unusable("it is not a readable PNG, JPEG, GIF or WebP file") from None
    if len(smaller) > LARGEST:
        raise _Unusable(_larger_than(LARGEST))
    return smaller


def _kind(data: bytes) -> str | None:
    return next((kind for mark, kind in _KINDS if data.startswith(mark)), None)


_TOO_MANY_PIXELS = f"it has more than {_MOST_PIXELS // 1_000_000} million pixels"


def _check_size(data: bytes) -> None:
    """Refuse a picture that is too large, from its header alone."""
    if len(data) > _LARGEST_READ:
        raise _Unusable(_larger_than(_LARGEST_READ))
    width, height = _size(data)
    if width * height > _MOST_PIXELS:
        raise _Unusable(_TOO_MANY_PIXELS)


def _size(data: bytes) -> tuple[int, int]:
    """Return a picture's width and height in pixels, or 0 when its header does not tell."""
    if data.startswith(b"\x89PNG") and len(data) >= 24:
        return struct.unpack(">II", data[16:24])
    if data.startswith(b"GIF8") and len(data) >= 10:
        return struct.unpack("<HH", data[6:10])
    position = 2
    while data.startswith(b"\xff\xd8") and position + 9 < len(data):
        if data[position] != 0xFF:
            break
        marker = data[position + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[position + 5 : position + 9])
            return width, height
        position += 2 + int(struct.unpack(">H", data[position + 2 : position + 4])[0])
    return 0, 0


def title_of(source: object) -> str:
    """Return what a figure or file calls itself."""
    if isinstance(source, str | Path):
        return Path(source).stem
    figure = figure_of(source)
    for axes in getattr(figure, "axes", None) or ():
        title = axes.get_title() if callable(getattr(axes, "get_title", None)) else ""
        if isinstance(title, str) and title:
            return title
    return ""
