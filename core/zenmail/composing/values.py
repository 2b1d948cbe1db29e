"""Values as people read them."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from enum import Enum
from itertools import islice
from typing import Any, TypeVar

__all__ = [
    "attempt",
    "duration",
    "flattened",
    "format_metric",
    "format_value",
    "is_missing",
    "number_in",
    "plain_mapping",
]

_Result = TypeVar("_Result")
_LONGEST_BYTES = 2000
_MANY = 20
_DEEP = 4
_MIDNIGHT = time()
_NUMPY_TIMES = ("m", "M")
_MISSING = frozenset({"NAType", "NaTType", "MaskedConstant"})


def format_value(value: object) -> str:
    """Return a value as people read it; numbers keep all their digits."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[return-value]
    if value is None or kind is bool or kind is int:
        return str(value)
    if is_missing(value):
        return "-"
    if kind is float:
        return format(value, ".12g")
    if isinstance(value, Enum):
        return format_value(value.value)
    if getattr(getattr(value, "dtype", None), "kind", "") in _NUMPY_TIMES:
        # A NumPy date or span, which Python knows in microseconds only.
        return format_value(value.astype(f"{value.dtype.kind}8[us]").item())  # type: ignore[attr-defined]
    if isinstance(value, bytes | bytearray):
        return bytes(value[:_LONGEST_BYTES]).decode("utf-8", "backslashreplace")
    if isinstance(value, datetime):
        if value.tzinfo is None and value.time() == _MIDNIGHT:
            return value.date().isoformat()
        return f"{value:%Y-%m-%d %H:%M:%S} {value.tzname() or ''}".rstrip()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return duration(value.total_seconds())
    number = number_in(value)
    if number is not None:
        return format(number, ".12g") if isinstance(number, float) else str(number)
    mapping = plain_mapping(value)
    if mapping is not None:
        return ", ".join(f"{key}: {text}" for key, text in flattened(mapping))
    if isinstance(value, list | tuple | set | frozenset):
        items = [format_value(item) for item in islice(value, _MANY)]
        more = f", and {len(value) - _MANY:,} more" if len(value) > _MANY else ""
        return ", ".join(items) + more
    return str(value)


def attempt(
    call: Callable[[], _Result], value: object, pass_through: tuple[type[BaseException], ...]
) -> _Result | str:
    """Return what a call makes of a value, or a note in its place when the call fails."""
    try:
        return call()
    except pass_through:
        raise
    except Exception as error:
        return f"<{type(value).__name__} that cannot be shown: {type(error).__name__}>"


def plain_mapping(value: object) -> Mapping[Any, Any] | None:
    """Return a mapping, model, dataclass or named tuple as a mapping; None for others."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, tuple) and (names := getattr(value, "_fields", ())):
        return dict(zip(names, value, strict=False))
    fields = getattr(type(value), "model_fields", None) or getattr(
        type(value), "__dataclass_fields__", None
    )
    if isinstance(fields, Mapping):
        return {name: getattr(value, name, None) for name in fields}
    return None


def flattened(
    mapping: Mapping[Any, Any], prefix: str = "", depth: int = 0
) -> list[tuple[str, str]]:
    """Return a nested mapping as pairs of dotted names and texts."""
    pairs: list[tuple[str, str]] = []
    for key, value in islice(mapping.items(), 2 * _MANY):
        inner = plain_mapping(value)
        name = f"{prefix}{format_value(key)}"
        if inner is None or depth >= _DEEP:
            pairs.append(
                (name, format_value(value) if inner is None else f"({len(inner)} entries)")
            )
        else:
            pairs += flattened(inner, f"{name}.", depth + 1)
    return pairs


def is_missing(value: object) -> bool:
    """Whether a value stands for none: None, NaN, NaT and NA of any library."""
    if value is None or type(value).__name__ in _MISSING:
        return True
    try:
        return bool(value != value)
    except Exception:  # arrays, and whatever has no truth
        return False


def number_in(value: object) -> int | float | None:
    """Return a number of any kind as Python's own, or None; NumPy's and PyTorch's, too."""
    if isinstance(value, bool | str | bytes):
        return None
    if getattr(getattr(value, "dtype", None), "kind", "") in _NUMPY_TIMES:
        return None  # a span of time is an integer to NumPy
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    if getattr(value, "ndim", None) == 0 and callable(item := getattr(value, "item", None)):
        single = item()
        return None if single is value else number_in(single)
    return None


def duration(seconds: float) -> str:
    """Return a duration as people say it: ``42 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if not math.isfinite(seconds) or seconds < 0:
        return "n/a"
    if 0 < seconds < 0.095:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"


def format_metric(value: object) -> str:
    """Return a measurement with five significant digits and thousands separators."""
    number = number_in(value)
    if number is None:
        return format_value(value)
    if isinstance(number, int):
        if abs(number) < 10**15:
            return f"{number:,}"
        return f"about {'-' if number < 0 else ''}10^{math.floor(math.log10(abs(number)))}"
    if not math.isfinite(number):
        return {math.inf: "infinite", -math.inf: "-infinite"}.get(number, "not a number")
    size = abs(number)
    if size and not 1e-4 <= size < 1e9:
        return f"{number:.4g}"
    if size >= 1000:
        return f"{number:,.1f}".removesuffix(".0")
    return f"{number:.5g}"
