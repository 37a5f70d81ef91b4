"""`wattproof serve` for a day of the past: the chain's clock stands and is moved by what stands in a file.

Arguments: the settings, the first day, the file with the time (UTC seconds).
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the processes that check proofs load this file too, and need none of this
    from api.operator.chain_session import ChainSession


def move(chain_session: ChainSession, clock: Path) -> None:
    while True:
        if clock.exists():
            with chain_session.lock:
                chain_session.chain.advance_to(int(clock.read_text()))
        time.sleep(0.1)


def main() -> None:
    from api.config.community_yaml import load
    from api.config.logs import set_up
    from api.http import listener
    from api.http.server import make_app
    from api.one_machine.community import LocalCommunity
    from api.operator.chain_session import open_chain_session

    set_up()
    community = LocalCommunity(load(Path(sys.argv[1])))
    with listener.bound(community.config.api.host, community.config.api.port) as port:
        chain_session = open_chain_session(community, int(sys.argv[2]))
        threading.Thread(target=move, args=(chain_session, Path(sys.argv[3])), daemon=True).start()
        listener.serve(make_app(community, chain_session), port)


if __name__ == "__main__":
    main()
