"""Check pages of the built site in a browser: ``python docs/scripts/accessible.py SITE``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[2] / "tests/core/composing/gallery"
PAGES = ("index", "quick-start/index", "gallery/index", "settings/index", "python/errors/index")
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def main(site: str) -> int:
    """Print what was found, and return the exit status."""
    missing = [
        what
        for what, there in (
            ("node", shutil.which("node")),
            (f"its packages (npm ci --prefix {TOOLS})", (TOOLS / "node_modules").is_dir()),
            ("Chromium", os.environ.get("CHROMIUM") or any(map(shutil.which, _BROWSERS))),
        )
        if not there
    ]
    if missing:
        print(f"The pages were not checked in a browser: missing {', '.join(missing)}.")
        return 0
    command = ["node", str(TOOLS / "site.mjs"), site, *(f"{page}.html" for page in PAGES)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603
    print(done.stdout, end="")
    print(f"{len(PAGES)} pages, {len(done.stdout.splitlines())} findings.")
    return done.returncode or bool(done.stdout)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
