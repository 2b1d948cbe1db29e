"""Write the pictures of mails: ``python docs/scripts/pictures.py AFTER [BEFORE]``.

AFTER and BEFORE are folders of pictures that ``screenshots.mjs`` took of the mails that
``python -m gallery`` (in tests/zenml_integration) kept, of this version and of an older one.
Needs Pillow.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

IMAGES = Path(__file__).resolve().parents[1] / "images"
EIGHT = (
    "failure",
    "raised-from",
    "exception-group",
    "stock-hook",
    "run-summary",
    "report",
    "aligned-text",
    "hebrew",
)
SINGLE = {
    "failure": "failure-700-light",
    "failure-dark": "failure-700-dark",
    "failure-phone": "failure-375-light",
    "run-summary": "run-summary-700-light",
    "run-summary-dark": "run-summary-700-dark",
    "report": "report-700-light",
    "report-dark": "report-700-dark",
    "success": "success-700-light",
    "success-dark": "success-700-dark",
}
_GAP = 12


def single(after: Path) -> None:
    """Write a picture of a mail by itself, for the pages."""
    for name, view in SINGLE.items():
        _save(_load(after / f"{view}.png"), IMAGES / f"{name}.png")


def compare(before: Path, after: Path) -> None:
    """Write one sheet for each mail and scheme: before and after, at 375 and at 700 px."""
    for name in EIGHT:
        for scheme in ("light", "dark"):
            views = [
                _load(folder / f"{name}-{width}-{scheme}.png")
                for width in (375, 700)
                for folder in (before, after)
            ]
            width = sum(view.width + _GAP for view in views) - _GAP
            sheet = Image.new("RGB", (width, max(view.height for view in views)), "#808080")
            left = 0
            for view in views:
                sheet.paste(view, (left, 0))
                left += view.width + _GAP
            _save(sheet, IMAGES / "before-after" / f"{name}-{scheme}.png")


def _load(path: Path) -> Image.Image:
    return Image.open(path).convert("RGB")


def _save(image: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.quantize(144, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        path, optimize=True
    )


if __name__ == "__main__":
    taken = [Path(name) for name in sys.argv[1:]]
    single(taken[0])
    if len(taken) > 1:
        compare(taken[1], taken[0])
