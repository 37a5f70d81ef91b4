"""A day of shared energy that gateways have summed: what their meters signed of it, and its totals, in the database.

By the quarter of an hour a day has four blocks (`data.interval`): each column of its row is then a list of four of
what it is by the hour.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session as Database

from api.operator.database.members import meter_at
from api.operator.database.tables import CommunityTotal, MeasuredTotal, SharedDay
from api.operator.totals import keep_measured
from api.protocol.period import BlockRecord, DayRecord
from api.protocol.secure_sum import COMMITMENT, EXPORT_COMMITMENT, EXPORT_SIGNATURE, SIGNATURE
from data.interval import IntervalMinutes, block_numbers, blocks_per_day, interval_of
from data.meter import COMMITMENT_BYTES, SIGNATURE_BYTES, SignedDay, verify_signed_block
from fl.secagg.aggregator import MaskingRefused
from zkp.algebra.field import MODULUS
from zkp.statements import total

Registers = tuple[tuple[SignedDay, ...], tuple[SignedDay, ...]]
"""Import and export of a household's day, block by block."""


def signed_registers(household: str, day: int, interval: IntervalMinutes, items: Mapping[str, bytes]) -> Registers:
    """What a gateway's message says that the household's meter signed of a day; no signature of it is checked.

    Raises MaskingRefused where there is not one commitment and signature for each block, KeyError.
    """

    def register(commitments: bytes, signatures: bytes) -> tuple[SignedDay, ...]:
        count = blocks_per_day(interval)
        if (len(commitments), len(signatures)) != (count * COMMITMENT_BYTES, count * SIGNATURE_BYTES):
            raise MaskingRefused(f"by intervals of {interval} minutes it has {count} commitments and signatures each")
        parts = zip(_cut(commitments, count), _cut(signatures, count), strict=True)
        numbers = block_numbers(day, interval)
        return tuple(SignedDay(household, number, *part) for number, part in zip(numbers, parts, strict=True))

    imported = register(items[COMMITMENT], items[SIGNATURE])
    return imported, register(items[EXPORT_COMMITMENT], items[EXPORT_SIGNATURE])


def verify_registers(registers: Registers, meter: str, interval: IntervalMinutes) -> None:
    """Raises MeterError unless the meter signed all of it, all measured."""
    for imported, exported in zip(*registers, strict=True):
        verify_signed_block(imported, meter, "load", interval)
        verify_signed_block(exported, meter, "export", interval)


def _cut(data: bytes, count: int) -> list[bytes]:
    size = len(data) // count
    return [data[k * size : (k + 1) * size] for k in range(count)]


def day_record(
    day: int, interval: IntervalMinutes, registers: Iterable[Registers], totals: Sequence[total.Total]
) -> DayRecord:
    """A day of these members from the totals of its sum: import (of each class), and export last, block by block."""
    members = sorted(registers, key=lambda own: own[0][0].household)
    numbers = block_numbers(day, interval)
    *imports, exports = (totals[start : start + len(numbers)] for start in range(0, len(totals), len(numbers)))
    blocks = (
        BlockRecord(
            number,
            tuple(imported[k] for imported, _ in members),
            tuple(exported[k] for _, exported in members),
            tuple(of_class[k] for of_class in imports),
            exports[k],
        )
        for k, number in enumerate(numbers)
    )
    return DayRecord(day, tuple(blocks))


def keep_shared(
    database: Database, record: DayRecord, interval: IntervalMinutes = 60, classes: Mapping[str, int] | None = None
) -> None:
    """Keep a day's totals of shared energy. `classes`: by household, where each has a total of import.

    Where the same homes are in the day's total of forecasts, the import by the hour is its measured total as well:
    readings enter one sum of a day. Raises InvalidProof unless all totals open their sums.
    """
    for block in record.blocks:
        for number, register in enumerate(block.imports, 1):
            mine = [s for s in block.imported if (classes or {}).get(s.household, 1) == number]
            total.verify_measured(block.number, [s.commitment for s in mine], register)
        total.verify_measured(block.number, [s.commitment for s in block.exported], block.exports)
    columns = [_columns(block, bool(classes)) for block in record.blocks]
    content = columns[0] if interval == 60 else {name: [each[name] for each in columns] for name in columns[0]}
    database.add(
        SharedDay(
            day=record.day, interval_minutes=interval,
            meters={household: meter_at(database, household, record.day) for household in record.households},
            **content,
        )
    )  # fmt: skip
    forecast = database.get(CommunityTotal, record.day)
    is_new = interval == 60 and database.get(MeasuredTotal, record.day) is None
    if is_new and forecast is not None and sorted(forecast.households) == sorted(record.households):
        (block,) = record.blocks
        keep_measured(database, record.day, _together(block.imports), block.imported)


def kept_record(row: SharedDay) -> DayRecord:
    """The day of a row."""
    interval = interval_of(row.interval_minutes)
    columns = {name: getattr(row, name) for name in ("imported", "exported", "import_total", "export_total")}
    blocks = [
        columns if interval == 60 else {name: values[k] for name, values in columns.items()}
        for k in range(blocks_per_day(interval))
    ]
    return DayRecord(row.day, tuple(map(_block, block_numbers(row.day, interval), blocks)))


def _columns(block: BlockRecord, by_class: bool) -> dict[str, Any]:
    imports = [_as_json(register) for register in block.imports]
    return {
        "imported": [one.to_json() for one in block.imported],
        "exported": [one.to_json() for one in block.exported],
        "import_total": imports if by_class else imports[0],
        "export_total": _as_json(block.exports),
    }


def _block(number: int, columns: Mapping[str, Any]) -> BlockRecord:
    imported, exported = (
        tuple(SignedDay.from_json(one) for one in columns[name]) for name in ("imported", "exported")
    )
    of = columns["import_total"]
    imports = tuple(_total(one) for one in (of if isinstance(of, list) else [of]))
    return BlockRecord(number, imported, exported, imports, _total(columns["export_total"]))


def _as_json(register: total.Total) -> dict[str, Any]:
    return {"values_wh": list(register.values), "blinding": hex(register.blinding)}


def _total(kept: Mapping[str, Any]) -> total.Total:
    return total.Total(tuple(kept["values_wh"]), int(kept["blinding"], 16))


def _together(registers: Sequence[total.Total]) -> total.Total:
    """Their sum, hour by hour; it opens the sum of their commitments."""
    values = tuple(map(sum, zip(*(register.values for register in registers), strict=True)))
    return total.Total(values, sum(register.blinding for register in registers) % MODULUS)
