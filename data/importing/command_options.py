"""What is typed on a command line about a file's columns."""

import re
from collections.abc import Sequence

from data.errors import DataError
from data.importing.mapping import TIME_ROLES, VALUE_ROLES
from data.importing.options import ORDERS, DateOrder

_ROLE = re.compile(rf"(?:^|,)\s*({'|'.join((*TIME_ROLES, *VALUE_ROLES))})\s*=", re.IGNORECASE)


def column_roles(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Roles and the columns they name: `timestamp=Datum,kwh=T1,kwh=T2`; a name may have commas. Raises DataError."""
    found: dict[str, tuple[str, ...]] = {}
    for text in texts:
        parts = _ROLE.split(text)
        if len(parts) < 3 or parts[0].strip():
            roles = ", ".join((*TIME_ROLES, *VALUE_ROLES))
            raise DataError(f"--map {text!r}: write ROLE=COLUMN, with a role of {roles}")
        for role, column in zip(parts[1::2], parts[2::2], strict=True):
            name = column.strip().strip('"')
            if not name:
                raise DataError(f"--map {text!r}: {role} names no column")
            found[role.lower()] = (*found.get(role.lower(), ()), name)
    return found


def row_filter(texts: Sequence[str]) -> dict[str, str]:
    """Columns and the values that their rows must have: `LCLid=MAC000002`. Raises DataError."""
    found = {}
    for text in texts:
        column, equals, value = text.partition("=")
        if not column.strip() or not equals:
            raise DataError(f"--where {text!r}: write COLUMN=VALUE")
        found[column.strip()] = value.strip()
    return found


def date_order(text: str | None) -> DateOrder | None:
    """The order of day and month. Raises DataError."""
    if text is None:
        return None
    for order in ORDERS:
        if text == order:
            return order
    raise DataError(f"--dates {text!r}: write dmy (31/01/2026), mdy (01/31/2026) or ymd (26/01/31)")
