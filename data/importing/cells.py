"""Cells of a table: dates, clock times and numbers in the many forms that portals and devices write.

A reader is made for a column and caches what it has seen: a file of two million rows has few different dates and
clock times.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.signedinteger[Any]]
Floats = NDArray[np.float64]
Order = Literal["ymd", "dmy", "mdy"]
CellKind = Literal["stamp", "date", "clock", "epoch", "number", "text", "empty"]

DAY_S = 86_400
NO_OFFSET = np.iinfo(np.int64).min
BAD = np.iinfo(np.int64).min + 1
FIRST, SECOND = (np.iinfo(np.int64).min + 2 + k for k in (0, 1))
"""In place of an offset: of two hours of the same wall time the one marked A, and B."""
MISSING = frozenset(
    {
        "", "-", "--", "---", "?", "null", "none", "nan", "n/a", "na", "#n/a", "nil", "unavailable", "unknown",
        "n.v.", "k.a.", "nd",
    }
)  # fmt: skip
YEARS = range(2000, 2100)
_MOST_SEEN = 200_000  # texts that a reader remembers
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan gen ene", "feb fev fév", "mar mär mrt", "apr avr abr", "may mai mag mei maj", "jun jui giu",
            "jul lug", "aug aoû aou ago", "sep set", "oct okt ott out", "nov", "dec dez dic déc des",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
_ZONES = {
    "Z": 0, "UTC": 0, "GMT": 0, "WET": 0, "WEST": 1, "BST": 1, "CET": 1, "MEZ": 1, "CEST": 2, "MESZ": 2, "EET": 2,
    "EEST": 3, "EST": -5, "EDT": -4, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7, "AEST": 10, "AEDT": 11,
}  # fmt: skip
"""Names of zones that have one offset, in hours."""
_YMD = re.compile(r"(\d{4})([-/.]?)(\d{1,2})\2(\d{1,2})\.?")
_XXY = re.compile(r"(\d{1,2})([-/. ])(\d{1,2})\2(\d{4}|\d{2})")
_NAMED = re.compile(r"(\d{1,2})[-. ]+([^\W\d]{3,12})\.?[-., ]+(\d{4}|\d{2})|([^\W\d]{3,12})\.? (\d{1,2}),? (\d{4})")
_CLOCK = re.compile(
    r"(\d{1,2})(?:[:h.](\d{2}))?(?:[:.](\d{2})(?:[.,]\d+)?)?\s*([ap]\.?\s?m\.?|uhr)?\s*(z|[a-z]{3,4}|(?:utc|gmt)?[+-]\d{1,2}(?::?\d{2})?)?",
    re.IGNORECASE,
)
_MARKED = re.compile(r"(\d{1,2})\s?([AB])((?:[:.h]\d{2}){0,2})|(\d{1,2}(?:[:.h]\d{2}){1,2})\s?([AB])", re.IGNORECASE)
_WEEKDAY = re.compile(
    r"^(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?[.,]*\s+|"
    r"^(?:mo|di|mi|do|fr|sa|so|lun|mar|mer|jeu|ven|sam|dim|ma|wo|vr|za|zo)[.,]*\s+(?=\d+[-./ ])",
    re.IGNORECASE,
)
_COMPACT = re.compile(r"(\d{8})[T ]?(\d{2})(\d{2})(\d{2})?(Z?)")
_EPOCH = re.compile(r"[19]\d{8,9}(\.\d+)?|[19]\d{11,12}(\d{3}|\d{6})?")
_STAMP = re.compile(r"(.*?\d\.?)(?:T|,?[ \u00a0\u202f]+)(\d{1,2}(?: ?[AB])?[:h.]\d{2}.*)", re.IGNORECASE | re.DOTALL)
_HOUR = re.compile(r"^HE? ?(?=\d)", re.IGNORECASE)
_FULL_HOUR = re.compile(r":00(:00)?$")
_RANGE = re.compile(
    r"(.*\d{1,2}[:h.]\d{2}(?:[:.]\d{2})?)\s+(?:-|–|—|to|bis|til|tot|a|à)\s+(?:.*\D)?\d{1,2}[:h.]\d{2}(?:[:.]\d{2})?",
    re.IGNORECASE,
)
_CLOCKS = re.compile(r"(\d{1,2}:\d{2})[-–](\d{1,2}:\d{2})")
_UNIT = re.compile(r"\s*(kwh|mwh|wh|kw|w)$", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?[\d.,'\u2019\u00a0\u202f ]*\d[.,]?(e[-+]?\d+)?", re.IGNORECASE)


def kind_of(cell: str) -> CellKind:
    """What a cell looks like."""
    if cell.lower() in MISSING:
        return "empty"
    if _EPOCH.fullmatch(cell):
        return "epoch"
    compact, cell = _COMPACT.fullmatch(cell), begin_of(cell)
    match = _STAMP.fullmatch(cell)
    if (compact and _is_date(compact[1])) or (match and _is_date(match[1]) and _clock(match[2])):
        return "stamp"
    if _is_date(cell):
        return "date"
    if (":" in cell or "h" in cell.lower()) and _clock(cell):
        return "clock"
    return "number" if _NUMBER.fullmatch(_UNIT.sub("", cell)) else "text"


def begin_of(cell: str) -> str:
    """The first time of a cell that has two, such as 00:00 - 01:00; else the cell."""
    match = _RANGE.fullmatch(cell)
    return match[1] if match else cell


def are_ranges(cells: Sequence[str]) -> bool:
    """Whether cells tell where intervals begin and end. `00:00-01:00` alone may be a clock time at an offset from
    UTC; of many cells with different ends it is none."""
    if not cells:
        return False
    if all(_RANGE.fullmatch(cell) for cell in cells):
        return True
    clocks = [match for cell in cells if (match := _CLOCKS.fullmatch(cell.strip()))]
    return len(clocks) == len(cells) and len({match[2] for match in clocks}) > 2


def kinds_of(cells: Iterable[str]) -> list[CellKind]:
    """What each cell looks like."""
    return [kind_of(cell) for cell in cells]


def times_at(rows: Iterable[Sequence[str]]) -> list[int | None]:
    """Which of each row's first eight cells is a date, a stamp or an epoch; None if none is."""
    return [
        next((at for at, cell in enumerate(row[:8]) if kind_of(cell) in ("stamp", "date", "epoch")), None)
        for row in rows
    ]


def have_times(rows: Iterable[Sequence[str]]) -> list[bool]:
    """Whether each row has a date, a stamp or an epoch among its first eight cells."""
    return [at is not None for at in times_at(rows)]


def _is_date(text: str) -> bool:
    return any(days_since_1970(text, order) is not None for order in ("dmy", "mdy"))


def days_since_1970(text: str, order: Order) -> int | None:
    """The day that a date names; `order` is that of day and month where the year is last. None if it is no date."""
    text = _WEEKDAY.sub("", text.strip())
    if match := _YMD.fullmatch(text):
        year, month, day = match[1], int(match[3]), int(match[4])
        if not match[2] and len(text) != 8:
            return None
    elif match := _XXY.fullmatch(text):
        first, second, year = int(match[1]), int(match[3]), match[4]
        if order == "ymd":  # 26/01/31, never with points
            return None if len(year) == 4 or match[2] == "." else _ordinal(match[1], second, int(year))
        # Points are German, Nordic, Slavic: never mm.dd.
        day, month = (first, second) if order == "dmy" or match[2] == "." else (second, first)
    elif match := _NAMED.fullmatch(text):
        day, year = int(match[1] or match[5]), match[3] or match[6]
        month = _MONTHS.get((match[2] or match[4])[:3].lower(), 0)
    else:
        return None
    return _ordinal(year, month, day)


def _ordinal(year: str, month: int, day: int) -> int | None:
    if len(year) == 2:
        year = f"20{year}"
    try:
        return date(int(year), month, day).toordinal() - 719_163 if int(year) in YEARS else None
    except ValueError:
        return None


def dates_in(cells: Iterable[str]) -> list[str]:
    """The different dates of stamps, as they are written, in the order of their first."""
    return list(dict.fromkeys(match[1] if (match := _STAMP.fullmatch(cell)) else cell for cell in cells))


def _clock(text: str) -> tuple[int, int] | None:
    """Seconds since midnight (24:00 is 86,400), and the offset from UTC in seconds or NO_OFFSET."""
    text = text.strip()
    match = _CLOCK.fullmatch(f"{text[:2]}:{text[2:]}" if len(text) == 4 and text.isdigit() else text)
    if not match or (match[2] is None and match[4] is None):
        bare, mark = without_mark(text)
        unmarked = None if mark == NO_OFFSET else _clock(bare)
        return unmarked and (unmarked[0], mark)
    hour, minute, second = int(match[1]), int(match[2] or 0), int(match[3] or 0)
    if match[4] and match[4].lower() != "uhr":
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if match[4][0] in "pP" else 0)
    seconds = 3600 * hour + 60 * minute + second
    if (
        minute > 59
        or second > 59
        or seconds > DAY_S
        or ((match[5] or "")[-3:].isalpha() and match[5].upper() not in _ZONES)
    ):
        return None
    return seconds, _offset(match[5])


def without_mark(text: str) -> tuple[str, int]:
    """A clock time, or the number of an hour, and FIRST or SECOND if it is marked A or B, as in 2A:15 and 02:15 B."""
    match = _MARKED.fullmatch(text.strip())
    if not match:
        return text, NO_OFFSET
    clock = match[4] or f"{match[1]}{match[3] or ':00'}"
    return clock, FIRST if (match[2] or match[5]) in "aA" else SECOND


def numbered_hour(cell: str) -> tuple[int | None, int]:
    """The number of an hour and its mark, as in 2, 2B, 25:00 and HE02; None if it is no number."""
    bare, mark = without_mark(cell)
    number = _FULL_HOUR.sub("", _HOUR.sub("", bare.strip())) if mark == NO_OFFSET else bare.partition(":")[0]
    return (int(number) if number.isdigit() else None), mark


def _offset(text: str | None) -> int:
    if text is None:
        return NO_OFFSET
    if text.upper() in _ZONES:
        return round(_ZONES[text.upper()] * 3600)
    digits = text.upper().removeprefix("UTC").removeprefix("GMT").replace(":", "")
    if digits in ("", "Z"):
        return 0
    hours, minutes = int(digits[1:3]), int(digits[3:] or 0)
    return (3600 * hours + 60 * minutes) * (-1 if digits[0] == "-" else 1)


def _without_unit(cell: str) -> str:
    """A number without the unit that some write into each cell."""
    return _UNIT.sub("", cell) if cell[-1:].isalpha() else cell


class StampReader:
    """Reads a column of stamps (date and clock time in one cell), of dates, of clock times, or of epoch numbers.

    `has_24` and `has_00`: whether a midnight was written as 24:00, as 00:00. `has_dates`: whether a date had no clock
    time, which is midnight as spreadsheets show it, or a row about the whole day.
    """

    def __init__(self, order: Order) -> None:
        self._order: Order = order
        self._dates: dict[str, int] = {}
        self._clocks: dict[str, int] = {}
        self._offsets: dict[str, int] = {}
        self.has_24 = self.has_00 = self.has_dates = False

    def stamps(self, cells: Sequence[str]) -> tuple[Ints, Ints]:
        """Wall seconds since 1970 [n] and offsets [n] (NO_OFFSET where none is written); BAD where it is no time."""
        if cells and _RANGE.fullmatch(cells[0]):
            cells = [begin_of(cell) for cell in cells]
        parts = _parted(cells)
        if parts is not None:
            dates, clocks = parts
            for text in set(dates) - self._dates.keys():
                self._date(text)
            for text in set(clocks) - self._clocks.keys():
                self._clock(text)
            try:
                days, at = (_looked_up(seen, texts) for seen, texts in ((self._dates, dates), (self._clocks, clocks)))
                return days + at, _looked_up(self._offsets, clocks)
            except KeyError:
                pass  # one of them is no time: each by itself
        both = np.array([self._read(cell.strip()) for cell in cells], dtype=np.int64).reshape(-1, 2)
        return both[:, 0], both[:, 1]

    def dates(self, cells: Sequence[str]) -> Ints:
        """Midnights of dates [n], wall seconds since 1970; BAD where it is no date."""
        seen = self._dates
        return np.array([seen[cell] if cell in seen else self._date(cell) for cell in cells], dtype=np.int64)

    def clocks(self, cells: Sequence[str]) -> tuple[Ints, Ints]:
        """Seconds since midnight [n] and offsets [n]; BAD where it is no clock time."""
        if are_ranges([cell for cell in set(cells) if cell.strip()]):
            cells = [re.split(r"\s*[-–]|\s", cell.strip(), maxsplit=1)[0] for cell in cells]
        read = {cell: self._clock(cell) for cell in set(cells)}
        both = np.array([read[cell] for cell in cells], dtype=np.int64).reshape(-1, 2)
        return both[:, 0], both[:, 1]

    def _read(self, cell: str) -> tuple[int, int]:
        if _EPOCH.fullmatch(cell):
            whole = int(cell.partition(".")[0])
            while whole >= 10**11:  # in milli-, micro- or nanoseconds
                whole //= 1000
            return whole, 0
        if match := _COMPACT.fullmatch(cell):
            clock, mark = f"{match[2]}:{match[3]}:{match[4] or '00'}{match[5]}", match[1]
        elif match := _STAMP.fullmatch(cell):
            mark, clock = match[1], match[2]
        else:
            self.has_dates = True
            return self._date(cell), NO_OFFSET
        day, (at, offset) = self._date(mark), self._clock(clock)
        return (BAD if BAD in (day, at) else day + at), offset

    def _date(self, text: str) -> int:
        days = days_since_1970(text, self._order)
        at = BAD if days is None else days * DAY_S
        if at != BAD and len(self._dates) < _MOST_SEEN:
            self._dates[text] = at
        return at

    def _clock(self, text: str) -> tuple[int, int]:
        at = _clock(text) or (BAD, NO_OFFSET)
        self.has_24 |= at[0] == DAY_S
        self.has_00 |= at[0] == 0
        if at[0] != BAD and len(self._clocks) < _MOST_SEEN:
            self._clocks[text], self._offsets[text] = at
        return at


def _parted(cells: Sequence[str]) -> tuple[list[str], list[str]] | None:
    """Dates and clock times of stamps whose dates are all equally long; None where they are not."""
    at = max(cells[0].find("T"), cells[0].find(" ")) if cells else -1
    try:
        if at < 6 or not {cell[at] for cell in cells} <= {"T", " "}:
            return None
    except IndexError:
        return None
    return [cell[:at] for cell in cells], [cell[at + 1 :] for cell in cells]


def _looked_up(seen: dict[str, int], texts: list[str]) -> Ints:
    return np.fromiter(map(seen.__getitem__, texts), dtype=np.int64, count=len(texts))


@dataclass(frozen=True)
class NumberFormat:
    """`decimal`: the mark before decimals. `thousands`: marks between thousands. `is_certain`: cells show it."""

    decimal: Literal[".", ","] = "."
    thousands: str = ""
    is_certain: bool = False

    @classmethod
    def of(cls, cells: Iterable[str]) -> "NumberFormat":
        """The format of a column's numbers.

        `1.756` among whole numbers such as 270 and 982 is one thousand and more; among 0.180 or 12 it is not.
        """
        numbers = [cell for cell in map(_without_unit, cells) if _NUMBER.fullmatch(cell)]
        marked = [cell for cell in numbers if "." in cell or "," in cell]
        if not marked:
            return cls()
        if both := [cell for cell in marked if "." in cell and "," in cell]:
            decimal: Literal[".", ","] = "," if both[0].rfind(",") > both[0].rfind(".") else "."
            return cls(decimal, "." if decimal == "," else ",", True)
        mark: Literal[".", ","] = "," if any("," in cell for cell in marked) else "."
        grouped = re.compile(rf"[-+]?[1-9]\d{{0,2}}(\{mark}\d{{3}})+")
        if all(grouped.fullmatch(cell) for cell in marked):
            plain = [int(cell) for cell in numbers if cell.isdigit()]
            if any(cell.count(mark) > 1 for cell in marked) or (plain and max(plain) < 1000 and median(plain) >= 100):
                return cls("." if mark == "," else ",", mark, True)
        return cls(mark, "", True)


class NumberReader:
    """Reads a column of numbers, whose format is that of the first cells that show one."""

    def __init__(self) -> None:
        self._format = NumberFormat()
        self._plain: list[str] = []
        self._units = set[str]()

    def read(self, cells: Sequence[str]) -> Floats:
        """float64 [n]: NaN where nothing was measured, infinity where a cell is no number."""
        if not self._format.is_certain and any("." in cell or "," in cell for cell in cells):
            self._format = NumberFormat.of([*self._plain, *cells])
            self._plain = [cell for cell in cells[:1000] if cell.isdigit()]  # what the next cells are judged by
        if self._format.decimal == "." and not self._format.thousands:
            try:
                return self._whole(cells)
            except ValueError:
                pass  # a cell is empty, or no number: each by itself
        return np.array([self._one(cell) for cell in cells], dtype=np.float64)

    @staticmethod
    def _whole(cells: Sequence[str]) -> Floats:
        numbers = np.fromiter(map(float, cells), dtype=np.float64, count=len(cells))
        if not np.isfinite(numbers).all():
            raise ValueError
        return numbers

    def _one(self, cell: str) -> float:
        if cell.strip().lower() in MISSING:
            return float("nan")
        if cell[-1:].isalpha() and (unit := _UNIT.search(cell)):
            self._units.add(unit[1].lower())
            if len(self._units) > 1:
                return float("inf")  # another unit than that of the cells before
        text = re.sub(r"['\u2019\u00a0\u202f ]", "", _without_unit(cell))
        if self._format.thousands:
            text = text.replace(self._format.thousands, "")
        try:
            number = float(text.replace(",", ".") if self._format.decimal == "," else text)
        except ValueError:
            return float("inf")
        return number if np.isfinite(number) and "_" not in text else float("inf")
