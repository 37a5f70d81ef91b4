"""Which columns of a table are times and which are energy: as told, or recognised where they are certain."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from data.errors import DataError, ImportRefused
from data.importing import words
from data.importing.cells import DAY_S, CellKind, are_ranges, kind_of, kinds_of, numbered_hour
from data.importing.clock_columns import clock_columns
from data.importing.options import ImportOptions
from data.importing.plausible import HOUR_S
from data.importing.presets import OTHER_KINDS, PRESETS, Preset, recognised
from data.importing.row_kinds import common_unit, label_column, unit_column
from data.importing.sheet import Sheet
from data.importing.words import UNITS, Flow, Unit

TIME_ROLES = ("timestamp", "end", "date", "time")
VALUE_ROLES = (*UNITS, *(f"export_{unit}" for unit in UNITS))
_HOURS = (
    "hour", "hora", "heure", "ora", "stunde", "uur", "he", "hr", "hour ending", "hour number", "hour of day", "time",
    "tunti", "timme", "godzina", "hodina",
)  # fmt: skip
_INTERVALS = ("period", "interval", "slot", "half hour", "halfhour", "quarter", "viertelstunde", "kwartier", "quart")
HOW_TO_MAP = "name them, as in --map timestamp=COLUMN,kwh=COLUMN"


@dataclass(frozen=True)
class ValueColumn:
    """`unit`: None where only the values themselves tell it."""

    at: int
    flow: Flow
    unit: Unit | None


@dataclass(frozen=True)
class Mapping:
    """Columns by their numbers, from 0.

    `time`: one column of stamps, or one of dates and one of clock times. `end`: the same for the end of the interval.
    `numbered_s`: the second time column counts intervals of so many seconds; 0 if it does not. `clocks`: of a table
    with a row for each day: column -> seconds since midnight, and the stamp is what they name. `repeated`: of each
    value that follows these, which of them it is the second hour of. `unit_at`: a column of units. `label_at`: a
    column that tells which way a row's energy flows. `keep`: column -> the value that rows must have. `status`:
    columns that tell how readings were obtained. `delay_s`: a time names what is so much later. `exported`: labels
    that are those of exports here, whatever they say elsewhere.
    """

    time: tuple[int, ...]
    values: tuple[ValueColumn, ...]
    stamp: Literal["start", "end"] | None = None
    end: tuple[int, ...] | None = None
    numbered_s: int = 0
    clocks: tuple[int, ...] = ()
    repeated: tuple[int, ...] = ()
    unit_at: int | None = None
    label_at: int | None = None
    keep: tuple[tuple[int, str], ...] = ()
    status: tuple[int, ...] = ()
    is_register: bool = False
    is_utc: bool = False
    delay_s: int = 0
    exported: tuple[str, ...] = ()


def map_columns(sheet: Sheet, options: ImportOptions) -> Mapping:
    """The mapping of a table. Raises ImportRefused with the names there are where it is not certain."""
    preset = _preset(sheet, options)
    if preset and preset.not_electricity:
        raise ImportRefused(
            sheet.path, f"is a file of {preset.exporter} with {preset.not_electricity}: export electricity"
        )
    keep = tuple((_column(sheet, name), value) for name, value in options.where.items())
    chosen = [row for row in sheet.sample if all(row[at] == value for at, value in keep)] or sheet.sample
    columns = [[row[at] for row in chosen] for at in range(sheet.width)]
    kinds = [_kind(cells) for cells in columns]
    mapping = _times(sheet, options, kinds, columns)
    if mapping.clocks:
        unit = common_unit(sheet, columns, unit_column(sheet, kinds, columns)) or (preset.unit if preset else None)
        values = tuple(ValueColumn(column.at, "import", unit) for column in mapping.values)
        label_at = label_column(sheet, columns, kinds, set(mapping.time), {at for at, _ in keep})
        exported = preset.exported if preset else ()
        return replace(mapping, values=values, keep=keep, label_at=label_at, exported=exported)
    mapping = _with_values(sheet, options, preset, mapping, kinds, columns)
    names = [sheet.names[value.at] for value in mapping.values] if sheet.names else []
    status = [at for at, name in enumerate(sheet.names) if kinds[at] == "text" and words.says_status(name)]
    return replace(
        mapping,
        stamp=mapping.stamp or (preset.stamp if preset else None),
        keep=keep,
        status=tuple(status),
        delay_s=preset.delay_s if preset else 0,
        is_register=(preset is not None and preset.is_register) or any(words.says_register(name) for name in names),
    )


def _preset(sheet: Sheet, options: ImportOptions) -> Preset | None:
    if options.preset is None:
        return recognised(sheet.names)
    if options.preset in OTHER_KINDS:
        raise ImportRefused(sheet.path, f"is a table: {OTHER_KINDS[options.preset]}, and need no preset")
    if options.preset not in PRESETS:
        raise DataError(f"there is no preset {options.preset!r}: there are {', '.join(PRESETS)}")
    preset = PRESETS[options.preset]
    if missing := set(preset.names) - {words.plain(name) for name in sheet.names}:
        problem = f"is no file of {preset.exporter}, which has {', '.join(sorted(missing))}: {_there_are(sheet)}"
        raise ImportRefused(sheet.path, problem)
    return preset


def _there_are(sheet: Sheet) -> str:
    """Words for the columns of a table."""
    if not sheet.names:
        return f"the columns have no names; they are #1 to #{sheet.width}"
    shown = [name if name else f"#{at}" for at, name in enumerate(sheet.names[:12], start=1)]
    return f"its columns are {', '.join(shown)}" + (" and more" if len(sheet.names) > 12 else "")


def _column(sheet: Sheet, name: str) -> int:
    """The number of a column that somebody named."""
    if name.startswith("#") and name[1:].isdigit() and 0 < int(name[1:]) <= sheet.width:
        return int(name[1:]) - 1
    found = [at for at, other in enumerate(sheet.names) if words.plain(other) == words.plain(name)]
    if len(found) != 1:
        how = "has no column" if not found else "has several columns"
        raise ImportRefused(sheet.path, f"{how} {name!r}: {_there_are(sheet)}")
    return found[0]


def _kind(cells: Sequence[str]) -> CellKind:
    """What most cells of a column are, of those that are not empty; a reader says which are not."""
    kinds = kinds_of(cells[:400])
    there = [kind for kind in kinds if kind != "empty"]
    if not there:
        return "empty"
    most = max(set(there), key=there.count)
    return most if there.count(most) * 2 > len(there) else "text"


def _times(sheet: Sheet, options: ImportOptions, kinds: list[CellKind], columns: list[list[str]]) -> Mapping:
    given = {role: _column(sheet, options.columns[role][0]) for role in TIME_ROLES if role in options.columns}
    if "timestamp" in given:
        end = (given["end"],) if "end" in given else None
        return Mapping((given["timestamp"],), (), end=end, is_utc=_is_utc(sheet, given["timestamp"]))
    if "end" in given:
        return Mapping((given["end"],), (), "end", is_utc=_is_utc(sheet, given["end"]))
    if "date" in given and "time" in given:
        is_number = kinds[given["time"]] == "number"
        step = (_numbered(sheet, given["time"], columns) or HOUR_S) if is_number else 0
        return Mapping((given["date"], given["time"]), (), numbered_s=step)
    if given:
        raise ImportRefused(sheet.path, "date and time go together: name both with --map, or a timestamp")
    if sheet.names and (clocks := clock_columns(sheet.names)):
        dates = [at for at, kind in enumerate(kinds) if kind == "date" and at not in clocks.columns]
        if len(dates) == 1:
            values = tuple(ValueColumn(at, "import", None) for at in (*clocks.columns, *clocks.repeated))
            again = tuple(clocks.repeated.values())
            return Mapping((dates[0],), values, clocks.stamp, clocks=clocks.seconds, repeated=again)
    stamps = [at for at, kind in enumerate(kinds) if kind == "stamp" or (kind == "epoch" and _names_time(sheet, at))]
    stamps = [at for at in stamps if len(columns[at]) < 2 or len(set(columns[at])) > 1]  # not when it was exported
    if stamps:
        return _of_stamps(sheet, stamps, columns)
    return _of_dates(sheet, kinds, columns)


def _names_time(sheet: Sheet, at: int) -> bool:
    name = words.plain(sheet.names[at]) if sheet.names else ""
    return at == 0 or any(word in name for word in ("time", "epoch", "date", "start", "stamp", "zeit", "unix"))


def _is_utc(sheet: Sheet, at: int) -> bool:
    return bool(sheet.names) and words.says_utc(sheet.names[at])


def _of_stamps(sheet: Sheet, stamps: list[int], columns: list[list[str]]) -> Mapping:
    if len(stamps) == 1 or not sheet.names:
        if len(stamps) > 1:
            raise ImportRefused(sheet.path, f"has several columns of times: {HOW_TO_MAP}; {_there_are(sheet)}")
        at = stamps[0]
        if are_ranges(columns[at][:100]):
            return Mapping((at,), (), "start", is_utc=_is_utc(sheet, at))
        is_end = bool(sheet.names) and words.says_end(sheet.names[at]) and not words.says_start(sheet.names[at])
        return Mapping((at,), (), "end" if is_end else None, is_utc=_is_utc(sheet, at))
    ends = [at for at in stamps if words.says_end(sheet.names[at]) and not words.says_start(sheet.names[at])]
    starts = [at for at in stamps if words.says_start(sheet.names[at]) and at not in ends]
    others = [at for at in stamps if at not in ends and at not in starts]
    for chosen in (starts, others):
        if chosen:
            best = min(chosen, key=lambda at: (not _is_utc(sheet, at), at))
            end = (ends[0],) if len(ends) == 1 and columns[ends[0]][:50] != columns[best][:50] else None
            return Mapping((best,), (), "start" if end else None, end=end, is_utc=_is_utc(sheet, best))
    return Mapping((ends[0],), (), "end", is_utc=_is_utc(sheet, ends[0]))


def _of_dates(sheet: Sheet, kinds: list[CellKind], columns: list[list[str]]) -> Mapping:
    """Dates and clock times in columns of their own."""
    dates = [at for at, kind in enumerate(kinds) if kind == "date"]
    clocks = [at for at, kind in enumerate(kinds) if kind == "clock"]
    clocks += [at for at, kind in enumerate(kinds) if kind == "number" and _are_short_clocks(sheet, at, columns[at])]
    numbered = [at for at, kind in enumerate(kinds) if kind in ("number", "text") and _numbered(sheet, at, columns)]
    if dates and len(clocks) == 1 and _are_numbered_clocks(columns[clocks[0]]):
        return Mapping((dates[0], clocks[0]), (), numbered_s=HOUR_S)
    if dates and clocks:
        utc = _is_utc(sheet, clocks[0])
        if len(clocks) == 1:
            name = sheet.names[clocks[0]] if sheet.names else ""
            if are_ranges(columns[clocks[0]][:100]):
                return Mapping((dates[0], clocks[0]), (), "start", is_utc=utc)
            is_end = words.says_end(name) and not words.says_start(name)
            return Mapping((dates[0], clocks[0]), (), "end" if is_end else None, is_utc=utc)
        end = (dates[min(1, len(dates) - 1)], clocks[1])
        return Mapping((dates[0], clocks[0]), (), "start", end=end, is_utc=utc)
    if dates and numbered:
        return Mapping((dates[0], numbered[0]), (), numbered_s=_numbered(sheet, numbered[0], columns))
    if dates:
        return Mapping((dates[0],), ())  # midnights: whole days, which the interval tells
    raise ImportRefused(sheet.path, f"has no column of times that is known: {HOW_TO_MAP}; {_there_are(sheet)}")


def _numbered(sheet: Sheet, at: int, columns: list[list[str]]) -> int:
    """How many seconds lie between the numbers of a column that counts the intervals of a day; 0 if it does not."""
    name = words.plain(sheet.names[at]) if sheet.names else ""
    numbers = [number for cell in columns[at] if (number := numbered_hour(cell)[0]) is not None]
    most = max(numbers, default=0)
    if len(numbers) < len(columns[at]):
        return 0
    if name in _HOURS and most <= 25:
        return HOUR_S
    if not any(word in name for word in _INTERVALS):
        return 0
    return next((DAY_S // a_day for a_day in (24, 48, 96) if a_day - 2 < most <= a_day + a_day // 24), 0)


def _are_short_clocks(sheet: Sheet, at: int, cells: Sequence[str]) -> bool:
    """Whether cells are clock times without a mark: 0015, 2345."""
    is_time = words.says_time(sheet.names[at] if sheet.names else "")
    return is_time and all(len(cell) == 4 and kind_of(f"{cell[:2]}:{cell[2:]}") == "clock" for cell in cells)


def _are_numbered_clocks(cells: Sequence[str]) -> bool:
    """Whether clock times are the numbers of a day's hours: 01:00 to 24:00, and 25:00 where clocks go back."""
    hours = {numbered_hour(cell)[0] for cell in cells}
    return None not in hours and 0 not in hours and 24 in hours


def _with_values(
    sheet: Sheet,
    options: ImportOptions,
    preset: Preset | None,
    mapping: Mapping,
    kinds: list[CellKind],
    columns: list[list[str]],
) -> Mapping:
    named = [
        ValueColumn(_column(sheet, name), "export" if role.startswith("export_") else "import", unit)
        for role in VALUE_ROLES
        for unit in UNITS
        if unit == role.removeprefix("export_")
        for name in options.columns.get(role, ())
    ]
    if named:
        if not any(value.flow == "import" for value in named):
            raise ImportRefused(sheet.path, f"only exported energy is named: {HOW_TO_MAP}; {_there_are(sheet)}")
        return replace(mapping, values=tuple(named))
    if not sheet.names:
        raise ImportRefused(
            sheet.path, "its columns have no names: name them by number, as in --map timestamp=#1,kwh=#2"
        )
    used = {*mapping.time, *(mapping.end or ())}
    unit_at = unit_column(sheet, kinds, columns)
    common = common_unit(sheet, columns, unit_at) or (preset.unit if preset else None)
    candidates = [
        ValueColumn(at, flow, words.unit_in(sheet.names[at]) or words.unit_in(columns[at][0]) or common)
        for at, kind in enumerate(kinds)
        if at not in used and kind in ("number", "empty", "epoch") and (flow := _flow(sheet.names[at], preset))
    ]
    if preset and preset.value:
        candidates = [value for value in candidates if words.plain(sheet.names[value.at]) == preset.value]
    label_at = label_column(sheet, columns, kinds, used, {_column(sheet, name) for name in options.where})
    candidates = _as_pairs(sheet, candidates)
    imports = _narrowed(sheet, [value for value in candidates if value.flow == "import"])
    exports = _narrowed(sheet, [value for value in candidates if value.flow == "export"])
    if not imports:
        raise ImportRefused(
            sheet.path, f"which column is the energy is not certain: {HOW_TO_MAP}; {_there_are(sheet)}"
        )
    if not (exports or options.no_export or (preset and preset.value)):
        _ask_about_production(sheet, kinds, columns, [sheet.names[value.at] for value in imports])
    return replace(mapping, values=(*imports, *exports), unit_at=unit_at, label_at=label_at)


def _ask_about_production(sheet: Sheet, kinds: list[CellKind], columns: list[list[str]], imports: list[str]) -> None:
    """Raises ImportRefused for production beside consumption: what was fed in beside what was taken from the grid, or
    all that was made beside all that was used."""
    if any(map(words.says_import, imports)):
        return
    for at, name in enumerate(sheet.names):
        made = kinds[at] == "number" and name not in imports and words.says_production(name)
        if made and any(cell.strip("0,. ") for cell in columns[at]):
            raise ImportRefused(
                sheet.path,
                f"{name!r} beside {imports[0]!r} may be what the home fed in, or all that it made: {HOW_TO_MAP}, and "
                "with export_kwh=COLUMN where it was fed in",
            )


def _as_pairs(sheet: Sheet, values: list[ValueColumn]) -> list[ValueColumn]:
    """Columns with what is received beside what is delivered as exported."""
    pairs = [value for value in values if words.says_export_beside_import(sheet.names[value.at])]
    others = [value for value in values if value not in pairs]
    if not any(words.says_import(sheet.names[value.at]) for value in others):
        return values
    if any(value.flow == "export" for value in others):
        return others
    return [*others, *(replace(value, flow="export") for value in pairs)]


def _flow(name: str, preset: Preset | None) -> Flow | None:
    return "export" if preset and preset.export == words.plain(name) else words.flow_of(name)


def _narrowed(sheet: Sheet, values: list[ValueColumn]) -> list[ValueColumn]:
    """Of the columns of one flow those whose sum it is: of all tariffs, or the total. Raises ImportRefused."""
    names = sheet.names
    if any(value.unit and value.unit not in words.POWER for value in values):
        values = [value for value in values if value.unit not in words.POWER]
    explicit = [value for value in values if words.says_import(names[value.at])]
    if explicit and not any(map(words.says_community, names)):  # else it may be what is left to the supplier
        values = explicit
    if energies := [value for value in values if value.unit or not words.says_power(names[value.at])]:
        values = energies
    if with_unit := [value for value in values if words.unit_in(names[value.at])]:
        values = with_unit
    if energies := [value for value in values if not words.says_register(names[value.at])]:
        values = energies  # a register that is shown beside them
    if len(values) <= 1:
        return values
    are_different = len({names[value.at] for value in values}) == len(values)
    totals = [value for value in values if words.says_total(names[value.at])]
    totals = totals or [value for value in values if words.says_no_tariff(names[value.at])]
    if are_different and len({words.without_tariff(names[value.at]) for value in values}) == 1:
        return totals[:1] or values
    shown = ", ".join(names[value.at] for value in values)
    problem = f"several columns could be the energy ({shown}): {HOW_TO_MAP}; those of one role are summed"
    raise ImportRefused(sheet.path, problem)
