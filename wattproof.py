"""The command `wattproof`, and in a wheel the package that holds all others (setup.py)."""

import os
import signal
import sys
from pathlib import Path

_INTERRUPTED, _TERMINATED = 130, 143


def main() -> None:
    """Run the command line (`api.cli.main`). Ctrl-C and SIGTERM end it with a word, wherever it stands, and with exit
    code 130 and 143."""
    open_streams()
    signal.signal(signal.SIGTERM, _terminated)
    code = _INTERRUPTED
    try:
        from api.cli.main import main as command_line

        command_line()
    except KeyboardInterrupt:
        pass
    except SystemExit as ended:
        if ended.code not in (_INTERRUPTED, _TERMINATED):
            raise
        code = ended.code
    else:
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)  # sent again: at once, and not with a traceback of the end
    sys.stderr.write("Stopped.\n")
    sys.exit(code)


def _terminated(*_: object) -> None:
    sys.exit(_TERMINATED)


def open_streams() -> None:
    """Where output or errors are closed (`>&-`) Python has no stream: what is said goes nowhere then."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open until the end


if __name__ == "__main__":
    main()
