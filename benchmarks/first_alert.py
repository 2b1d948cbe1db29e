"""What a step's first alert costs in a new process: ``python -m benchmarks.first_alert``.

Each row is the median processor time of fresh processes that imported ZenML, made an alert
as the hooks make it, and sent it over STARTTLS; the shares are of ``import zenml``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from . import servers
from .certificates import issue
from .startup import as_installed
from .tables import duration, table

STAGES = (
    "import zenml",
    "open its store",
    "import the hooks",
    "import the alerter",
    "first alert",
    "second",
)
OUTCOMES = ("success", "failure")
_PROGRAM = Path(__file__).with_name("first_alert_process.py")


def measure(
    port: int, authority: Path, outcome: str, environment: dict[str, str], *flags: str
) -> dict[str, float]:
    """Return a fresh process's seconds of processor time by stage."""
    done = subprocess.run(
        [sys.executable, *flags, str(_PROGRAM), outcome, str(port), str(authority)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])["seconds"]
    return found


@contextmanager
def zenml_environment() -> Iterator[dict[str, str]]:
    """Give an environment with a ZenML of its own and every module compiled once."""
    with as_installed() as environment, tempfile.TemporaryDirectory() as folder:
        yield {
            **environment,
            "ZENML_CONFIG_PATH": folder,
            "ZENML_ANALYTICS_OPT_IN": "false",
            "ZENML_LOGGING_VERBOSITY": "ERROR",
        }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.first_alert")
    parser.add_argument("--rounds", type=int, default=9, help="processes for each outcome")
    parser.add_argument("--imports", action="store_true", help="show -X importtime instead")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, zenml_environment() as environment:
        certificates = issue(Path(place))
        with servers.sink(certificates.server) as sink:
            port = sink.ports["full"]
            if given.imports:
                flags = ("-X", "importtime")
                measure(port, certificates.authority, "failure", environment, *flags)
                return
            runs = {
                outcome: [
                    measure(port, certificates.authority, outcome, environment)
                    for _ in range(given.rounds + 1)
                ][1:]
                for outcome in OUTCOMES
            }
    rows = []
    for outcome, found in runs.items():
        stages = {stage: median(run[stage] for run in found) for stage in STAGES}
        cost = sum(stages[stage] for stage in STAGES[2:-1])
        share = f"{cost / stages['import zenml']:.1%}"
        rows.append((outcome, *map(duration, stages.values()), duration(cost), share))
    print(table(("mail", *STAGES, "all up to the first", "of import zenml"), rows))


if __name__ == "__main__":
    main()
