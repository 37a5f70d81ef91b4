"""The command `wattproof`, and in a wheel the package that holds all others (setup.py)."""

import os
import signal
import sys
from pathlib import Path

_INTERRUPTED = 130


def main() -> None:
    """Run the command line (`api.cli.main`). Ctrl-C ends it with a word and exit code 130, wherever it stands."""
    open_streams()
    try:
        from api.cli.main import main as command_line

        command_line()
    except KeyboardInterrupt:
        pass
    except SystemExit as ended:
        if ended.code != _INTERRUPTED:
            raise
    else:
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # pressed again: at once, and not with a traceback of the end
    sys.stderr.write("Stopped.\n")
    sys.exit(_INTERRUPTED)


def open_streams() -> None:
    """Where output or errors are closed (`>&-`) Python has no stream: what is said goes nowhere then."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open until the end


if __name__ == "__main__":
    main()
