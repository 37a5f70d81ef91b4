"""What the server repeats goes on through a database and a chain that are away, each told in a line."""

from __future__ import annotations

import logging
from threading import Event

import pytest
from sqlalchemy.exc import IntegrityError, InternalError, OperationalError
from web3.exceptions import BadFunctionCallOutput

from api.operator.watching import watched
from rewards.errors import NodeUnreachable
from tests.support.waiting import LIMIT_S

LOG = logging.getLogger("test")
READ_ONLY = "cannot execute INSERT in a read-only transaction"


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        (InternalError("INSERT", {"a": 1}, Exception(f"{READ_ONLY}\nmore")), READ_ONLY),
        (OperationalError("INSERT", {}, Exception("database or disk is full")), "database or disk is full"),
        (BadFunctionCallOutput("Could not transact with/call contract function"), "rewards.rpc_url"),
        (NodeUnreachable("the chain node does not tell the chain's time"), "the chain node does not tell"),
    ],
)
def test_what_is_away_is_a_line_without_a_traceback_and_asked_for_again(
    problem: Exception, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Each was logged with a traceback of sixty lines."""
    calls, again = iter([problem]), Event()

    def look() -> None:
        if (away := next(calls, None)) is not None:
            raise away
        again.set()

    with watched(look, 1e-9, name="settling", log=LOG):
        assert again.wait(LIMIT_S)
    (record,) = caplog.records
    assert record.getMessage() == "settling failed" and record.exc_info is None
    assert told in vars(record)["reason"] and "more" not in vars(record)["reason"]


def test_a_fault_of_ours_keeps_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    calls, again = iter([IntegrityError("INSERT", {}, Exception("NOT NULL constraint failed"))]), Event()

    def look() -> None:
        if (fault := next(calls, None)) is not None:
            raise fault
        again.set()

    with watched(look, 1e-9, name="settling", log=LOG):
        assert again.wait(LIMIT_S)
    (record,) = caplog.records
    assert record.exc_info and vars(record)["reason"] == "IntegrityError"
