"""A log of P1 telegrams (DSMR, ESMR, eMUCs), as Dutch, Belgian and Luxembourgish meters send them (dsmr-parser)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import ImportRefused
from data.importing.extras import library
from data.importing.reading import Readings, Values
from data.importing.words import Flow

_LONGEST = 1 << 16


@dataclass(frozen=True)
class Telegram:
    """What one telegram says: `taken` at (UTC) the registers stood at `imported` and `exported` kWh, each the sum of
    its tariffs; `exported` is None where the meter has none."""

    taken: datetime
    imported: float
    exported: float | None


class NotATelegram(ValueError):
    """Text that is no whole P1 telegram; the message says why, and quotes nothing."""


def dsmr_library() -> Any:
    """dsmr-parser with the parts of it that are used here. Raises ImportError."""
    import dsmr_parser
    import dsmr_parser.exceptions
    import dsmr_parser.parsers
    import dsmr_parser.telegram_specifications

    return dsmr_parser


def parse_telegram(text: str, dsmr_parser: Any) -> Telegram:
    """One telegram, from its `/` to its checksum, which must hold. Raises NotATelegram."""
    parsers, specifications = dsmr_parser.parsers, dsmr_parser.telegram_specifications
    belgian = "0-0:96.1.4" in text
    specification = specifications.BELGIUM_FLUVIUS if belgian else specifications.V5
    try:
        parsed = parsers.TelegramParser(specification, apply_checksum_validation=True).parse(text)
    except dsmr_parser.exceptions.InvalidChecksumError:
        raise NotATelegram("its checksum does not hold") from None
    except Exception:  # noqa: BLE001 - the library raises whatever its parsing meets
        raise NotATelegram("it can't be parsed") from None
    taken = getattr(parsed, "P1_MESSAGE_TIMESTAMP", None)
    imported = _total(parsed, "ELECTRICITY_USED")
    if taken is None or imported is None:
        raise NotATelegram("it has no time or no register 1.8")
    return Telegram(taken.value.astimezone(UTC), imported, _total(parsed, "ELECTRICITY_DELIVERED"))


def _total(parsed: Any, name: str) -> float | None:
    """The sum of a register's tariffs in kWh."""
    tariffs = [getattr(parsed, f"{name}_TARIFF_{number}", None) for number in (1, 2, 3, 4)]
    values = [float(tariff.value) for tariff in tariffs if tariff is not None and tariff.value is not None]
    if values:
        return sum(values)
    total = getattr(parsed, f"{name}_TARIFF_ALL", None) or getattr(parsed, f"{name}_TOTAL", None)
    return None if total is None else float(total.value)


def telegrams_in(path: Path) -> Iterator[tuple[int, str]]:
    """The telegrams of a log with the line on which each begins; line ends as a meter sends them."""
    lines: list[str] = []
    first = 0
    with path.open(encoding="ascii", errors="replace", newline=None) as file:
        for number, line in enumerate(file, start=1):
            if line.startswith("/"):
                lines, first = [], number
            if first:
                lines.append(line.rstrip("\n"))
            if first and re.match(r"![0-9A-Fa-f]{4}\s*$", line):
                yield first, "\r\n".join(lines) + "\r\n"
                first = 0
            elif first and len(lines) > _LONGEST // 32:
                first = 0


def read_telegrams(path: Path) -> list[Readings]:
    """Registers at the times of the telegrams. Raises ImportRefused for a log with a damaged one."""
    library(path, "dsmr_parser", "a log of P1 telegrams")
    dsmr_parser = dsmr_library()
    found: list[tuple[int, Telegram]] = []
    for line, text in telegrams_in(path):
        try:
            found.append((line, parse_telegram(text, dsmr_parser)))
        except NotATelegram as problem:
            raise ImportRefused(
                path, f"this P1 telegram is damaged: {problem}; remove it from the log", line
            ) from None
    if not found:
        raise ImportRefused(
            path, "looks like a log of P1 telegrams, but has no complete one (from / to ! and checksum)"
        )
    wall = np.array([int(t.taken.timestamp()) for _, t in found], dtype=np.int64)
    columns: list[Values] = []
    flows: list[tuple[Flow, list[float | None]]] = [
        ("import", [t.imported for _, t in found]),
        ("export", [t.exported for _, t in found]),
    ]
    for flow, numbers in flows:
        if any(number is not None for number in numbers):
            values = np.array([np.nan if n is None else n for n in numbers], dtype=np.float64)
            columns.append(Values(flow, flow, "kwh", values))
    lines = np.array([line for line, _ in found], dtype=np.int32)
    return [Readings(lines, wall, np.zeros_like(wall), tuple(columns))]
