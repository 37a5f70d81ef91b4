"""Logs: readable lines on a terminal, one JSON object per line elsewhere; to a file while progress bars own the
screen.

Fields that could hold a secret are redacted, as are passwords in addresses; errors raised by libraries are logged
without their messages (`data.failures`).

By hand: one `logging.Formatter` serves our loggers, Flower's and uvicorn's alike; structlog would add a second API
beside `logging`, and its rendering of exceptions would have to be replaced to keep values out.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.logging import RichHandler

from data.failures import masked, outline, tell_no_values

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]

LOG = "wattproof.log"
_CHATTY = "alembic", "web3", "urllib3", "matplotlib", "eth", "httpx", "httpcore", "rlp", "fontTools", "fpdf"
_PLAIN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}
_SECRET = re.compile(r"(^|_)(private|secret|blinding|readings?|key|password|token|mnemonic)s?($|_)", re.IGNORECASE)


def set_up(level: str = "INFO") -> None:
    """Send this process's logs to stderr, and keep values out of its last traceback."""
    tell_no_values()
    handler: logging.Handler
    if sys.stderr.isatty():
        handler = RichHandler(console=Console(stderr=True), show_path=False, log_time_format="%H:%M:%S")
        handler.setFormatter(_PlainFormatter("%(message)s"))
    else:
        handler = logging.StreamHandler()
        handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)


def beside_screen(level: str, folder: Path) -> None:
    """`set_up` in a process beside one that has left the screen: in a terminal its log goes to the same file."""
    set_up(level)
    if sys.stderr.isatty():
        logging.basicConfig(level=level, handlers=[_file(folder)], force=True)


def _file(folder: Path) -> logging.FileHandler:
    file = logging.FileHandler(folder / LOG, encoding="utf-8")
    file.setFormatter(JsonFormatter())
    return file


def leave_screen(console: Console, folder: Path) -> None:
    """Keep the log off the screen: from now on it goes to `LOG` in the folder, as JSON.

    Warnings and errors are shown as well, above the bars. Nothing changes where `console` is no terminal.
    """
    if not console.is_terminal:
        return
    console.print(f"The log is in {folder / LOG}")
    screen = RichHandler(logging.WARNING, console, show_path=False, log_time_format="%H:%M:%S")
    screen.setFormatter(_PlainFormatter("%(message)s"))
    logging.basicConfig(level=logging.getLogger().level, handlers=[_file(folder), screen], force=True)


def fields(record: logging.LogRecord) -> dict[str, object]:
    """The structured fields of a record; those whose name suggests a secret are redacted."""
    extra = {name: value for name, value in record.__dict__.items() if name not in _PLAIN and name[0] != "_"}
    return {name: "[hidden]" if _SECRET.search(name) else value for name, value in extra.items()}


class _Formatter(logging.Formatter):
    """Formats an exception by its outline."""

    def formatException(self, ei: _ExcInfo) -> str:
        return outline(ei[1]) if ei[1] is not None else ""


class JsonFormatter(_Formatter):
    """One JSON object for each record: time (UTC), level, logger, message and its fields."""

    def format(self, record: logging.LogRecord) -> str:
        content: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **fields(record),
        }
        if record.exc_info:
            content["exception"] = self.formatException(record.exc_info)
        return masked(json.dumps(content, default=str, ensure_ascii=False))


class _PlainFormatter(_Formatter):
    """The message, then its fields as name=value."""

    def format(self, record: logging.LogRecord) -> str:
        extra = " ".join(f"{name}={value}" for name, value in fields(record).items())
        return masked(f"{super().format(record)} {extra}".rstrip())
