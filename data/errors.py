"""Errors about data that a person can act on. None of them ever contains a reading."""

from pathlib import Path


class DataError(ValueError):
    """Data that Wattproof refuses; the message names the input, what is wrong with it and what to do."""


class TableError(DataError):
    """A table that is not a long table of hourly readings (see `data.table`)."""


class DamagedFile(DataError):
    """A file of the state folder that is not what this program wrote. The remedy never costs data.

    It takes one argument, so that it can be pickled.
    """

    @classmethod
    def of(cls, path: Path, what: str, remedy: str) -> "DamagedFile":
        """`what`: what the file should be, with its article; `remedy`: a sentence."""
        return cls(f"{path} is damaged: it is not {what}. {remedy}")


class LostFile(DataError):
    """A missing file of the state folder on which other files depend: creating a new one is no remedy."""


class NoReadingsYet(TableError):
    """A home has no readings yet, or too few; there may be enough later."""


class DayError(DataError):
    """A number out of the range of community days."""


class FetchError(DataError):
    """The demo data set could not be fetched, or is not the pinned one."""


class ImportRefused(DataError):
    """A household's file that cannot be read as what it claims to be.

    `line` is the line of the file, counted from 1 as editors do; None where the file as a whole is at fault.
    """

    def __init__(self, path: Path, problem: str, line: int | None = None) -> None:
        self.path = path
        self.line = line
        self.problem = problem
        where = f"{path}" if line is None else f"{path}, line {line}"
        super().__init__(f"{where}: {problem}")


class NoReadings(ImportRefused):
    """A file without readings; one that may lie beside them, such as a note or an invoice."""


class SourceError(DataError):
    """A live meter that cannot be read, or invalid settings for one. The message holds no secret."""


class MeterError(DataError):
    """A signed day that is not the meter's, or an opening that is not the signed day's."""
