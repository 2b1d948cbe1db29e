"""The language and direction of a text, told from its script."""

from __future__ import annotations

import re
from typing import Final

from ..patterns import pattern

__all__ = ["language_of"]

_LETTER: Final = pattern(r"[^\W\d_]")
_RIGHT_TO_LEFT: Final = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc"
_SCRIPTS: Final = {
    "he": "\u0590-\u05ff",
    "ar": "\u0600-\u06ff",
    "ja": "\u3040-\u30ff",
    "ko": "\uac00-\ud7af",
    "zh": "\u4e00-\u9fff",
    "ru": "\u0400-\u04ff",
    "el": "\u0370-\u03ff",
    "th": "\u0e00-\u0e7f",
}


def language_of(text: str) -> tuple[str, str]:
    """Return a language tag, "en" when the script does not tell, and "ltr" or "rtl"."""
    letters = 0 if text.isascii() else len(_LETTER.findall(text))
    if not letters:
        return "en", "ltr"
    lang = next(
        (name for name, script in _SCRIPTS.items() if _count(script, text) * 5 > letters), "en"
    )
    return lang, "rtl" if _count(_RIGHT_TO_LEFT, text) * 5 > letters * 2 else "ltr"


def _count(script: str, text: str) -> int:
    # Compiled on first use, for each takes milliseconds; re caches the patterns.
    return len(re.findall(f"[{script}]", text))
