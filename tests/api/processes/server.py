"""`wattproof serve` for a day of the past: the chain's clock stands and is moved by what stands in a file.

Arguments: the settings, the first day, the file with the time (UTC seconds).
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from api import listener
from api.community import Community
from api.config import load
from api.day import Ledger, open_ledger
from api.logs import set_up
from api.server import make_app


def move(ledger: Ledger, clock: Path) -> None:
    while True:
        if clock.exists():
            with ledger.lock:
                ledger.chain.advance_to(int(clock.read_text()))
        time.sleep(0.1)


if __name__ == "__main__":
    set_up()
    community = Community(load(Path(sys.argv[1])))
    with listener.bound(community.config.api.host, community.config.api.port) as port:
        ledger = open_ledger(community, int(sys.argv[2]))
        threading.Thread(target=move, args=(ledger, Path(sys.argv[3])), daemon=True).start()
        listener.serve(make_app(community, ledger), port)
