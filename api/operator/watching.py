"""Work that the server repeats beside its requests, on a database and a chain that may be away for a while."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import Event

from sqlalchemy.exc import SQLAlchemyError
from web3.exceptions import Web3Exception

from api.operator.database.engine import is_away, reason_of
from data.errors import DataError
from fl.deployment.background import repeated
from rewards.errors import ChainError


class Away(DataError):
    """The database or the chain node cannot be used just now; the message says why, and what to look at."""


def watched(
    look: Callable[[], None], every_s: float, *, name: str, log: logging.Logger
) -> AbstractContextManager[None]:
    """`repeated` until the end of the block, where a database or a chain node that is away is no fault of ours: it is
    logged as one line."""

    def look_on() -> None:
        try:
            look()
        except SQLAlchemyError as error:
            if not is_away(error):
                raise
            raise Away(
                f"the database: {reason_of(error)} (does it run, take writes, and have room on its disk?)"
            ) from None
        except ChainError as error:
            raise Away(str(error)) from None
        except Web3Exception as error:
            raise Away(
                f"the chain node gives no usable answer ({type(error).__name__}): look at rewards.rpc_url"
            ) from None

    return repeated(look_on, every_s, Event(), name=name, log=log)
