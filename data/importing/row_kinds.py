"""What the rows of a table say of themselves: the unit of their values, and what is measured in each."""

from collections.abc import Sequence

from data.errors import ImportRefused
from data.importing import words
from data.importing.cells import CellKind
from data.importing.sheet import Sheet
from data.importing.words import Unit

_MOST_LABELS = 16


def _bare_unit(cell: str) -> Unit | None:
    """The unit that a cell is, and nothing else."""
    unit = words.unit_in(cell)
    return unit if unit and words.plain(cell).strip("()[]") == unit else None


def common_unit(sheet: Sheet, columns: list[list[str]], unit_at: int | None) -> Unit | None:
    """The unit of all values, where a column or the rows above the header tell one."""
    cells = columns[unit_at] if unit_at is not None else [cell for row in sheet.above for cell in row]
    units = {unit for cell in cells if (unit := _bare_unit(cell))}
    units = units or {unit for cell in cells if (unit := words.unit_told(cell))}
    units = units or {unit for at, name in enumerate(sheet.names) if (unit := _unit_of_rows(name, columns[at]))}
    if len(units) > 1:
        raise ImportRefused(sheet.path, "has values in several units: choose rows with --where COLUMN=VALUE")
    return next(iter(units), None)


def _unit_of_rows(name: str, cells: Sequence[str]) -> Unit | None:
    """The unit that what a column calls its rows tells of all of them, such as Import (kWh)."""
    units = set(map(words.unit_in, set(cells))) if words.says_which(name) else set()
    return units.pop() if len(units) == 1 else None


def unit_column(sheet: Sheet, kinds: list[CellKind], columns: list[list[str]]) -> int | None:
    """A column of units. Raises ImportRefused for one that tells units of other quantities."""
    for at, kind in enumerate(kinds):
        is_status = bool(sheet.names) and words.says_status(sheet.names[at])  # W: wahrer Wert, as measured
        units = set(columns[at]) if kind == "text" and not is_status else set()
        if units and all(map(_bare_unit, units)):
            return at
        if others := sorted(filter(words.is_other_unit, units)):
            if not any(map(_bare_unit, units)):
                raise ImportRefused(sheet.path, f"has values in {others[0]}, and not in kWh: export active energy")
            problem = f"has values in {others[0]} beside those in kWh: choose rows with --where COLUMN=VALUE"
            raise ImportRefused(sheet.path, problem)
    return None


def label_column(
    sheet: Sheet, columns: list[list[str]], kinds: list[CellKind], used: set[int], chosen: set[int]
) -> int | None:
    """A column of labels that tell the flow of each row, where there are several for one time or both flows, or where
    all rows are exports. `chosen`: columns by which a person chooses rows.

    Raises ImportRefused where no row is of energy from the grid, or to it.
    """
    times = list(zip(*(columns[at] for at in sorted(used)), strict=True))
    is_several = len(set(times)) < len(times)
    for at, kind in enumerate(kinds):
        labels = set(columns[at])
        if at == sheet.width - 1:
            labels.update(sheet.labels)
        if at in used or kind != "text" or len(labels) > _MOST_LABELS:
            continue
        which = bool(sheet.names) and words.says_which(sheet.names[at])
        if which and not sheet.labels:
            labels = _all_labels(sheet, at, labels)
        flows = {words.flow_of_label(label) for label in labels if not words.says_other_rows(label)}
        if which and not flows and at not in chosen:
            shown = ", ".join(sorted(labels))
            raise ImportRefused(sheet.path, f"has rows of {shown} only: export what is taken from the grid")
        if flows == {"export"} and which:
            return at
        if len(labels) == 1:
            continue
        are_others = any(map(words.says_other_rows, labels))
        if which and at not in chosen and flows == {"import"}:
            _ask_about_production(sheet, at, labels)
        if None not in flows and (is_several or are_others or len(flows) > 1):
            return at
    return None


def _ask_about_production(sheet: Sheet, at: int, labels: set[str]) -> None:
    """Raises ImportRefused for rows of production beside those of consumption, as the columns of a table do."""
    made = sorted(filter(words.says_production, labels))
    used = sorted(label for label in labels if words.flow_of_label(label) == "import")
    if made and not any(map(words.says_import, used)):
        name = sheet.names[at]
        raise ImportRefused(
            sheet.path,
            f"has rows of {made[0]} beside {used[0]}, which may be what the home fed in, or all that it made: "
            f"leave them out with --where {name}={used[0]!r}, or call them export where they were fed in",
        )


def _all_labels(sheet: Sheet, at: int, labels: set[str]) -> set[str]:
    """The labels of a column that has one in the first rows: those of exports may follow all imports."""
    if len(labels) > 1:
        return labels
    found = labels | {row[at].strip() for _, rows in sheet.chunks() for row in rows if any(row)}
    return found if len(found) <= _MOST_LABELS else labels
