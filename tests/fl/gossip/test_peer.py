"""What a peer makes of what goes wrong around it."""

from __future__ import annotations

import errno
import threading
from pathlib import Path
from typing import Any, cast

import pytest

from data.errors import DamagedFile
from fl.gossip.peer import Peer
from fl.settings import FederationSettings

FAILURES = (
    DamagedFile.of(Path("0003.merged.npz"), "a model", "Move it away."),
    OSError(errno.ENOSPC, "No space left on device", "0004.published.npz"),
)


def test_a_damaged_file_and_a_full_disk_are_told_once_and_end_no_peer(caplog: pytest.LogCaptureFixture) -> None:
    """The agent ended with it, and all that the gateway does each day."""
    stop, due = threading.Event(), [failure for failure in FAILURES for _ in range(2)]

    class Stumbling(Peer):
        def __post_init__(self) -> None:
            """It has joined nothing."""

        def step(self) -> bool:
            if due:
                raise due.pop(0)
            stop.set()
            return True

    settings = FederationSettings.model_validate({"deployment": {"poll_s": 0.01}})
    nothing = cast(Any, None)
    Stumbling(settings, {}, nothing, nothing, nothing, nothing, nothing, nothing, nothing).run(stop)
    told = [vars(record)["reason"] for record in caplog.records]
    assert told == [str(FAILURES[0]), "0004.published.npz: No space left on device: free some space"]
