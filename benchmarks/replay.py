"""Thirty days of 40 pipelines: which mails open, continue and close incidents.

``python -m benchmarks.replay [DAYS PIPELINES [PYTHON]]`` replays a run every six hours of
pipelines that are steady, flaky, broken for a week or recovering in a ZenML of its own, and
judges the mails of the failure hook and of the watcher; with the interpreter of another
installation, also those of its hook. Takes half an hour.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

from .explain import environment
from .tables import table

_COLUMNS = (
    "failed runs",
    "mails",
    "incidents opened",
    "in time",
    "told as repeated",
    "closed",
    "still open",
    "wrong",
)


def replay(python: str, days: int, pipelines: int, teller: str) -> list[str]:
    """Replay in a process of its own; return a line for each moment that runs end."""
    with tempfile.TemporaryDirectory() as place:
        program = Path(place, "replay_process.py")
        program.write_bytes(Path(__file__).with_name("replay_process.py").read_bytes())
        Path(place, ".zen").mkdir()
        done = subprocess.run(
            [python, "-W", "ignore", program, str(days), str(pipelines), teller],
            cwd=place,
            env={**environment(Path(place, "zenml")), "ZENML_LOGGING_VERBOSITY": "CRITICAL"},
            capture_output=True,
            text=True,
        )
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    return [line for line in done.stdout.splitlines() if line.startswith("[{")]


def judge(lines: list[str], teller: str) -> dict[str, Counter[str]]:
    """Count what the mails said, by kind of pipeline.

    A run is told wrongly if it has not one mail when it failed, or, by the watcher, when it
    ended an incident; or if the mail is in another conversation than the incident's first.
    """
    found: dict[str, Counter[str]] = defaultdict(Counter)
    streaks: Counter[str] = Counter()
    roots: dict[str, str] = {}
    for failed, mails, _ in map(json.loads, lines):
        for name, bad in failed.items():
            count = found[name[5:]]
            told = [(subject, root) for subject, _, root in mails if name[:4] in subject]
            closing = not bad and streaks[name] > 0
            streaks[name] = streaks[name] + 1 if bad else 0
            count["failed runs"] += bad
            count["mails"] += len(told)
            if streaks[name] == 1:
                count["incidents opened"] += 1
                count["in time"] += len(told) > 0
                roots[name] = told[0][1] if told else ""
            count["told as repeated"] += any("run in a row" in subject for subject, _ in told)
            count["closed"] += closing and bool(told)
            wanted = bad or (closing and teller == "watcher")
            right = len(told) == wanted and all(root == roots[name] for _, root in told)
            count["wrong"] += not right
    for name, streak in streaks.items():
        found[name[5:]]["still open"] += streak > 0
    return found


def main(days: int = 30, pipelines: int = 40, other: str = "") -> int:
    """Print the table; return 1 if this installation told a run wrongly."""
    rows, wrong = [], 0
    tellers = [(sys.executable, "watcher"), (sys.executable, "hook"), (other, "hook")]
    for python, teller in filter(lambda it: it[0], tellers):
        counts = judge(replay(python, days, pipelines, teller), teller)
        who = teller if python != other else f"{teller} of {other}"
        rows += [
            (who, kind, *(f"{count[column]:,}" for column in _COLUMNS))
            for kind, count in counts.items()
        ]
        wrong += sum(count["wrong"] for count in counts.values()) if python != other else 0
    print(table(("told by", "pipelines", *_COLUMNS), rows))
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:3]), *sys.argv[3:]))
