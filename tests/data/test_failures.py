"""What may be shown of an error, and of an address."""

import errno
import os

import pytest

from data.errors import MeterError
from data.failures import describe, masked


def of_the_system(number: int, file: str | None = "a/b") -> OSError:
    return OSError(number, os.strerror(number), file)


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (of_the_system(errno.ENOSPC), "a/b: No space left on device: free some space"),
        (of_the_system(errno.ENOSPC, None), "No space left on device: free some space"),
        (of_the_system(errno.EROFS), "a/b: Read-only file system: mount it writable, or choose a folder elsewhere"),
        (of_the_system(errno.EACCES), "a/b: Permission denied: run this as the user whose file or folder it is"),
        (of_the_system(errno.ENOENT), "a/b: No such file or directory"),
        (MeterError("day 5 is already signed"), "day 5 is already signed"),
        (OSError("whatever a library says"), "OSError"),
        (ValueError("a reading"), "ValueError"),
    ],
)
def test_our_words_and_the_systems_with_a_remedy_are_passed_on_and_no_librarys(
    problem: Exception, words: str
) -> None:
    assert describe(problem) == words


@pytest.mark.parametrize("password", ["kestrel93", "it's", "a@b", "a:b", "%2F'"])
def test_a_password_in_an_address_is_shown_nowhere(password: str) -> None:
    """An apostrophe may stand in an address as it is (RFC 3986, sub-delims), and let one with it through."""
    for text in ("{}", "at '{}'", '{{"url": "{}", "mail": "me@elm"}}', "[{}]"):
        said = text.format(f"postgresql://elm:{password}@db:5432/elm")
        assert masked(said) == text.format("postgresql://elm:***@db:5432/elm")


def test_an_address_without_a_password_is_shown_as_it_is() -> None:
    for text in ("http://127.0.0.1:8000/v1 and me@elm", '{"a": "http://h:80", "b": "me@elm"}', "p://elm@db/elm"):
        assert masked(text) == text
