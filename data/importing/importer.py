"""A household's own file becomes the long table: whole UTC hours, whole Wh, energy conserved, no gap hidden."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from data.errors import ImportRefused
from data.importing import past, plausible
from data.importing.cells import NO_OFFSET, Ints
from data.importing.grid import Grid, Hours, interval_grid, polled_grid, register_grid, whole_hours
from data.importing.options import Imported, ImportOptions
from data.importing.packed import files_in
from data.importing.plausible import HOUR_S, MICRO
from data.importing.quarters import HoursOnly, check_interval, quarters_table
from data.importing.reading import Readings
from data.importing.series import Series, in_order, of_flow, summed
from data.importing.source import Source, source_of
from data.importing.steps import Steps, steps_of
from data.importing.times import zone_named
from data.importing.words import POWER, Flow, Unit
from data.table import HOUR, QUARTER, Step, long_table

_MICRO_WH = {"mwh": 1e12, "kwh": 1e9, "wh": 1e6, "kw": 1e9, "w": 1e6}
_LARGEST = 1 << 62


def import_file(path: Path, options: ImportOptions) -> Imported:
    """Import a file of readings. Raises ImportRefused saying what is wrong, on which line, and what to do."""
    zone = None if options.timezone is None else zone_named(path, options.timezone)
    with files_in(path) as files:
        return _imported(path, source_of(files, options, zone), options, zone)


def _imported(path: Path, source: Source, options: ImportOptions, zone: ZoneInfo | None) -> Imported:
    is_register = source.is_register or options.cumulative
    stamp = source.stamp or options.stamp
    if is_register:
        stamp = "start"  # a register is read at a moment
    offset = _offset_of(source.readings)
    readings = [in_order(path, part, zone, ends=stamp == "end") for part in source.readings]
    source.readings.clear()
    flows: list[Flow] = ["import", "export"]
    imports, exports = (of_flow(readings, flow, is_register=is_register) for flow in flows)
    readings.clear()
    if not imports:
        raise ImportRefused(path, "has no readings of imported energy: all are exports, or blank")
    if exports and options.no_export:
        raise ImportRefused(path, f"has exported energy in {exports[0].name!r}: leave --no-export out")
    steps = steps_of(path, imports, is_register=is_register)
    stamp = "end" if steps.names_last else stamp
    whole = partial(_whole, path, steps=steps, stamp=stamp, is_register=is_register, options=options)
    hours = whole(imports)
    if hours is None:
        raise ImportRefused(path, "does not cover a single whole hour")
    cut = hours.cut
    hours = past.measured(path, hours, options)
    out = whole(exports) if exports else _nothing(hours) if options.no_export else None
    warnings = plausible.check_day(path, hours.wh, has_export=bool(exports), accepted=options.accept_unusual)
    warnings += source.warnings + ((past.LEFT_OUT,) if hours.cut > cut else ())
    table = long_table(
        options.unique_id,
        pd.to_datetime(hours.starts, unit="s", utc=True),
        hours.wh,
        hours.filled,
        _export(hours, out),
    )
    minutes = None if steps.interval is None else steps.interval // 60
    imported = Imported(table, minutes, int(hours.filled.sum()), hours.cut, offset, warnings)
    if not options.quarters:
        return imported
    try:
        check_interval(steps.interval)
        fine = whole(imports, step=QUARTER)
        fine = None if fine is None else past.measured(path, fine, options)
        fine_out = whole(exports, step=QUARTER) if exports else _nothing(fine) if options.no_export else None
        quarters = quarters_table(options.unique_id, fine, fine_out, accepted=options.accept_unusual)
    except HoursOnly as why:
        return replace(imported, hours_only=str(why))
    return replace(imported, quarters=quarters)


def _offset_of(readings: list[Readings]) -> int:
    """The most common offset that is written, in seconds; 0 if none is."""
    written = readings[0].offsets[readings[0].offsets != NO_OFFSET]
    if len(written) == 0:
        return 0
    offsets, counts = np.unique(written, return_counts=True)
    return int(offsets[counts.argmax()])


def _whole(
    path: Path,
    series: list[Series],
    *,
    steps: Steps,
    stamp: str,
    is_register: bool,
    options: ImportOptions,
    step: Step = HOUR,
) -> Hours | None:
    """The whole hours of one flow, or their quarters; None if it covers none."""
    energies = [_micro_wh(path, one, steps, is_register, options) for one in series]
    lines, utc, energy = summed(series, energies, is_register=is_register)
    lines, utc, energy = steps.on_grid(path, lines, utc, energy, is_register=is_register)
    if len(utc) < 2 and is_register:
        return None
    return whole_hours(_grid(path, lines, utc, energy, steps, stamp, is_register, options, step), step)


def _micro_wh(path: Path, series: Series, steps: Steps, is_register: bool, options: ImportOptions) -> Ints:
    """A column's numbers as µWh."""
    plausible.check_sign(path, series.lines, series.numbers, series.flow)
    if not is_register and not series.has_ends and series.flow == "import":
        plausible.check_register(path, series.lines, series.numbers, accepted=options.accept_unusual)
        plausible.check_counter_of_day(
            path, series.lines, series.utc, series.numbers, accepted=options.accept_unusual
        )
    span = (series.utc[-1] - series.utc[0] + (steps.interval or 0)) / HOUR_S
    unit: Unit = series.unit or plausible.unit_of(
        path, series.name, series.numbers, float(span), steps.interval, is_register=is_register
    )
    factor = _MICRO_WH[unit]
    if unit in POWER:
        if is_register:
            raise ImportRefused(path, f"{series.name!r} is a power in {unit}: leave --cumulative out")
        factor *= (steps.interval or HOUR_S) / HOUR_S
    over = np.flatnonzero(series.numbers > _LARGEST / 2 / factor)
    if len(over):
        problem = "the energy exceeds what any meter counts: correct it"
        raise ImportRefused(path, problem, int(series.lines[over[0]]))
    return np.rint(series.numbers * factor).astype(np.int64)


def _grid(
    path: Path,
    lines: Ints,
    utc: Ints,
    energy: Ints,
    steps: Steps,
    stamp: str,
    is_register: bool,
    options: ImportOptions,
    step: Step,
) -> Grid:
    interval = steps.interval
    if is_register:
        energy = _checked_register(path, lines, utc, energy, interval or HOUR_S, options)
    if interval is None:
        return polled_grid(utc, energy, options.max_fill_hours, step)
    longest = options.max_fill_hours * HOUR_S // interval
    first = int(utc[0])
    slots = (utc - first) // interval
    if is_register:
        return register_grid(first, interval, slots, energy, longest)
    plausible.check_size(path, lines, energy, np.ones_like(energy), interval)
    return interval_grid(first - (interval if stamp == "end" else 0), interval, slots, energy, longest)


def _checked_register(
    path: Path, lines: Ints, utc: Ints, register: Ints, interval: int, options: ImportOptions
) -> Ints:
    """A register that only grows: one that rolled over goes on. Raises ImportRefused for one that was exchanged."""
    down = np.flatnonzero(np.diff(register) < 0)
    if len(down) == 1:
        at = int(down[0])
        before, after = int(register[at]), int(register[at + 1])
        whole = 10 ** len(str(before // (1000 * MICRO))) * 1000 * MICRO  # kWh digits, all of them nines
        if before > 0.99 * whole and after < 0.01 * whole:
            register = register + np.where(np.arange(len(register)) > at, whole, 0)
            down = down[:0]
    if len(down):
        problem = (
            "the register goes down: the meter was replaced or reset (or these are not register readings); import "
            "the part before and the part after"
        )
        raise ImportRefused(path, problem, int(lines[down[0] + 1]))
    steps = np.maximum(1, -(-np.diff(utc) // interval))
    plausible.check_size(path, lines[1:], np.diff(register), steps, interval)
    plausible.check_still(path, lines, utc, register, accepted=options.accept_unusual)
    return register


def _nothing(hours: Hours | None) -> Hours | None:
    """The export of a home that feeds nothing in: 0 wherever the import is known."""
    return None if hours is None else replace(hours, wh=np.zeros_like(hours.wh))


def _export(hours: Hours, out: Hours | None) -> "pd.Series[int] | None":
    """Exported Wh in the hours of the import; missing where the file does not tell it, or where it would be filled in
    while the import was measured: nothing would show that it was."""
    if out is None:
        return None
    export = pd.Series(out.wh, index=out.starts).astype("Int64").reindex(hours.starts)
    invented = pd.Series(out.filled, index=out.starts).reindex(hours.starts, fill_value=False) & ~hours.filled
    return export.mask(invented).reset_index(drop=True)
