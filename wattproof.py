"""The command `wattproof`, and in a wheel the package that holds all others (setup.py)."""

import os
import sys
from pathlib import Path


def main() -> None:
    """Run the command line (`api.cli.main`)."""
    open_streams()
    from api.cli.main import main as command_line

    command_line()


def open_streams() -> None:
    """Where output or errors are closed (`>&-`) Python has no stream: what is said goes nowhere then."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open until the end


if __name__ == "__main__":
    main()
