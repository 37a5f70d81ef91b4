"""Green Button: ESPI's XML (NAESB REQ.21), intervals in UTC seconds, read as a stream."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import ImportRefused
from data.importing.cells import Floats, Ints
from data.importing.extras import library
from data.importing.reading import Readings, Values
from data.importing.words import Flow

_WH, _W = "72", "38"
_EXPORTS = {"19", "20"}  # flowDirection: reverse, total of reverse
_ENERGY = {"", "4", "12", "1", "26"}  # accumulationBehaviour of intervals: delta, and what exports leave out


def read_green_button(path: Path) -> list[Readings]:
    """Intervals of energy of all meters in the file, imports and exports. Raises ImportRefused."""
    etree = library(path, "defusedxml.ElementTree", "Green Button XML")
    import defusedxml

    reader = _Reader(path)
    try:
        for event, element in etree.iterparse(str(path), events=("start", "end")):
            reader.take(event, element)
    except (etree.ParseError, defusedxml.DefusedXmlException):
        raise ImportRefused(path, "is XML that is cut off, damaged or unsafe: download it again") from None
    return reader.readings()


class _Reader:
    """Follows a feed: each block of intervals belongs to the reading type whose links are those of its entry."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._types: dict[str, dict[str, str]] = {}
        self._links: dict[str, list[str]] = defaultdict(list)
        self._blocks: list[tuple[str, list[tuple[int, int, float]]]] = []
        self._here, self._related = "", list[str]()
        self._rows: list[tuple[int, int, float]] = []

    def take(self, event: str, element: Any) -> None:
        name = element.tag.rpartition("}")[2]
        if event == "start":
            if name == "entry":
                self._here, self._related = "", []
            return
        if name == "link":
            href = element.get("href", "").rstrip("/")
            if element.get("rel") == "self":
                self._here = href
            elif element.get("rel") in ("related", "up"):
                self._related.append(href)
        elif name == "IntervalReading":
            self._rows.append(self._interval(element))
            element.clear()
        elif name == "IntervalBlock":
            self._blocks.append((self._here, self._rows))
            self._rows = []
            element.clear()
        elif name == "ReadingType":
            self._types[self._here] = {child.tag.rpartition("}")[2]: (child.text or "").strip() for child in element}
        elif name == "entry":
            self._links[self._here] += self._related
            element.clear()

    def _interval(self, element: Any) -> tuple[int, int, float]:
        cells = {child.tag.rpartition("}")[2]: (child.text or "").strip() for child in element.iter()}
        try:
            return int(cells["start"]), int(cells["duration"]), float(cells["value"])
        except (KeyError, ValueError):
            raise ImportRefused(self._path, "has an IntervalReading without start, duration or value") from None

    def readings(self) -> list[Readings]:
        if not self._blocks:
            raise ImportRefused(self._path, "is XML without IntervalBlock: not Green Button, or without readings")
        groups: dict[str, list[tuple[int, int, float]]] = defaultdict(list)
        for block, rows in self._blocks:
            groups[self._type_of(block)] += rows
        found = [part for link, rows in groups.items() if (part := self._part(self._types.get(link, {}), rows))]
        if not found:
            raise ImportRefused(self._path, "has no intervals of energy in Wh or W: gas, water, or another quantity")
        return found

    def _type_of(self, block: str) -> str:
        """The address of a block's reading type: the only one, or that which the meter reading around it names."""
        if len(self._types) <= 1:
            return next(iter(self._types), "")
        meters = [self._links.get(meter, []) for meter in self._links if block.startswith(meter + "/")]
        named = [link for links in [*meters, self._links.get(block, [])] for link in links if link in self._types]
        if len(set(named)) != 1:
            raise ImportRefused(self._path, "has several reading types, and a block that names none of them")
        return named[0]

    def _part(self, kind: dict[str, str], rows: list[tuple[int, int, float]]) -> Readings | None:
        unit = kind.get("uom", "") or _WH
        if unit not in (_WH, _W) or kind.get("accumulationBehaviour", "") not in _ENERGY or not rows:
            return None
        start, duration, value = (np.array(part) for part in zip(*rows, strict=True))
        if len(set(duration.tolist())) > 1:
            raise ImportRefused(self._path, "the interval changes: its blocks have durations of several lengths")
        flow: Flow = "export" if kind.get("flowDirection") in _EXPORTS else "import"
        numbers: Floats = value * 10.0 ** int(kind.get("powerOfTenMultiplier") or 0)
        times: Ints = start.astype(np.int64)
        values = Values("value", flow, "w" if unit == _W else "wh", numbers)
        return Readings(np.arange(1, len(times) + 1), times, np.zeros_like(times), (values,), times + duration)
