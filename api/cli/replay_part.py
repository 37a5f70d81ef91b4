"""A command of `wattproof` that ends, as by SIGTERM, once the replay that has started it does, however that ends.

Its standard input is a pipe that the replay holds open.
"""

from __future__ import annotations

import os
import signal
from threading import Thread

from api.cli.main import main as command_line


def main() -> None:
    """Run the command that the arguments name."""
    Thread(target=_follow, name="end with the replay", daemon=True).start()
    command_line()


def _follow() -> None:
    os.read(0, 1)  # nothing is ever written: it returns when the other end is closed
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
