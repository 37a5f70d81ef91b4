"""Signals of a simulation are its own, also while Ray starts."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from fl.stoppable import stopped_by_signals

NO_HANDLER = "RAY_DISABLE_FAILURE_SIGNAL_HANDLER"


@pytest.mark.process  # Ray looks for graphics cards when it is imported
def test_sigterm_while_ray_starts_stops_in_order() -> None:
    """`ray.init` set a handler that exits with 15, and its core one that aborts, until it was done."""
    from ray._private import utils

    before, told = signal.getsignal(signal.SIGTERM), os.environ.get(NO_HANDLER)
    with stopped_by_signals() as stop:
        utils.set_sigterm_handler(lambda number, frame: sys.exit(number))
        assert os.environ[NO_HANDLER] == "1", "its core asks for this"
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(60) and stop.number == signal.SIGTERM
    assert (signal.getsignal(signal.SIGTERM), os.environ.get(NO_HANDLER)) == (before, told)
