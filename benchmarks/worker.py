"""One peer in a process of its own, told what to send over standard input."""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path

from .content import Content
from .peers import PEERS, Load


def main() -> None:
    """Answer each line of JSON with one: the set-up first, then loads."""
    warnings.simplefilter("ignore")
    setup = json.loads(sys.stdin.readline())
    kind = PEERS[setup["peer"]]
    peer = kind(setup["port"], Path(setup["authority"]), Content(**setup["content"]))
    print(json.dumps({"release": kind.release()}), flush=True)
    for line in sys.stdin:
        given = json.loads(line)
        attachment = Path(given["attachment"]) if given["attachment"] else None
        load = Load(given["count"], given["recipients"], attachment, given["cold"])
        if load.cold:
            peer.forget()
        started, busy = time.perf_counter(), time.process_time()
        peer.send(load)
        seconds, busy = time.perf_counter() - started, time.process_time() - busy
        print(json.dumps({"seconds": seconds, "cpu": busy}), flush=True)
    peer.forget()


if __name__ == "__main__":
    main()
