"""What may be shown of an exception: never a value.

The messages of our own errors are written for people, and none holds a secret. Those of libraries may quote their
input: a reading, a key, the address of a database with its password. For these only the type is shown, and the lines
of source where it happened.
"""

from __future__ import annotations

import errno
import re
import sys
import threading
import traceback
from collections.abc import Iterator
from types import TracebackType

_OURS = frozenset({"api", "data", "fl", "forecasting", "rewards", "zkp", "wattproof"})
WORKER = "in a separate process:\n"
"""The beginning of a note that holds the outline from another process (`fl.worker`); other notes are not shown."""
_REMEDIES = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EROFS: "mount it writable, or choose a folder elsewhere",
    errno.EACCES: "run this as the user whose file or folder it is",
}
"""What to do about an error of the system."""
_LONGEST_QUOTED = 42  # an address on the chain; a private key is longer
_PASSWORD = re.compile(r"(\w://[^/\s:@\"]*):[^/\s\"]*@")


def is_ours(error: BaseException) -> bool:
    """Whether the error is of a class of ours, whose message is for people."""
    return type(error).__module__.partition(".")[0] in _OURS


def masked(text: str) -> str:
    """`text` with passwords in addresses redacted: postgresql://elm:***@host/db."""
    return _PASSWORD.sub(r"\1:***@", text)


def quotable(value: object) -> str | None:
    """A person's input, in quotes, for a message; None if it may hold a secret: an address, a long text."""
    if isinstance(value, str):
        return repr(value) if len(value) <= _LONGEST_QUOTED and "://" not in value else None
    return repr(value) if isinstance(value, bool | int | float) and abs(value) < 10**_LONGEST_QUOTED else None


def describe(error: BaseException) -> str:
    """One line about an error: our own message, the system's about a file and what to do, otherwise only its type."""
    if is_ours(error):
        return masked(str(error))
    if isinstance(error, OSError) and error.strerror:
        return ": ".join(filter(None, (_file_of(error), error.strerror, _REMEDIES.get(error.errno or 0))))
    return type(error).__name__


def _file_of(error: OSError) -> str:
    return "" if error.filename is None else str(error.filename)


def outline(error: BaseException) -> str:
    """A traceback without values: `describe` for each error of the chain, with the lines of source that led to it."""
    parts = []
    for link in _chain(error):
        kind = f"{type(link).__module__}.{type(link).__qualname__}".removeprefix("builtins.")
        words = describe(link)
        parts += traceback.format_tb(link.__traceback__)
        parts.append(kind if words == type(link).__name__ else f"{kind}: {words}")
        parts += [f"\n{note}" for note in getattr(link, "__notes__", ()) if note.startswith(WORKER)]
        parts.append("\n")
    return "".join(parts).rstrip()


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error's causes, first one first, then the error itself."""
    links: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in links:
        links.append(link)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return reversed(links)


def tell_no_values() -> None:
    """From now on this process and its threads end with an `outline` where Python would print the message."""

    def ended(_kind: type[BaseException], error: BaseException, _where: TracebackType | None) -> None:
        print(outline(error), file=sys.stderr)  # noqa: T201 - the last words of a process

    def thread_ended(arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is not None and not isinstance(arguments.exc_value, SystemExit):
            name = arguments.thread.name if arguments.thread else "a thread"
            print(f"{name} ended:\n{outline(arguments.exc_value)}", file=sys.stderr)  # noqa: T201

    def dropped(arguments: sys.UnraisableHookArgs) -> None:
        if arguments.exc_value is not None:
            print(f"ignored: {outline(arguments.exc_value)}", file=sys.stderr)  # noqa: T201

    sys.excepthook = ended
    threading.excepthook = thread_ended
    sys.unraisablehook = dropped
