"""Whether cost grows in step with the load, and memory stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import median

from .peers import Load
from .race import Runner
from .tables import duration, megabytes, table, times


def growth(runner: Runner, folder: Path, *, quick: bool, rounds: int) -> str:
    """Return the table of what ten times the load costs."""
    series: dict[str, list[tuple[int, Load]]] = {
        "alerts": [(n, Load(count=n)) for n in ((100, 1000) if quick else (100, 1000, 10_000))],
        "recipients": [(n, Load(recipients=n)) for n in (10, 100, 1000)],
        "MB attached": [
            (n, Load(attachment=_file(folder, n))) for n in ((1, 5) if quick else (1, 5, 25))
        ],
    }
    rows = []
    for name, points in series.items():
        before: tuple[int, float] | None = None
        for size, load in points:
            runner.send(replace(load, count=1))
            took = median(runner.send(load)["seconds"] for _ in range(rounds))
            step = ""
            if before:
                step = f"{times(took / before[1])} for {times(size / before[0])}"
            rows.append((f"{size:,} {name}", duration(took), duration(took / size), step))
            before = (size, took)
    return table(("load", "median", "for each", "beside the one before"), rows)


def soak(runner: Runner, *, alerts: int) -> str:
    """Return the table of memory over many alerts (Linux)."""
    runner.send(Load(count=max(100, alerts // 20)))
    rows = []
    for part in range(6):
        if part:
            runner.send(Load(count=alerts // 5))
        rows.append((f"{alerts // 5 * part:,}", megabytes(runner.resident())))
    return table(("alerts sent", "resident memory"), rows)


def _file(folder: Path, size: int) -> Path:
    path = folder / f"{size}mb.bin"
    if not path.exists():
        path.write_bytes(bytes(range(256)) * (size * 1_000_000 // 256))
    return path
