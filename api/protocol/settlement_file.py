"""A settlement as a file: all that it takes to check it from outside, in JSON of one form.

Format 1 is of a period by the hour, format 2 of one by the quarter of an hour: each of its days has four blocks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from api.config.settlement_settings import KeyKind
from api.protocol.meters import Assignment, Meters
from api.protocol.period import SIDES, BlockRecord, DayRecord, Key, Period, PeriodError, Side, most_days
from api.protocol.settlement import Settlement, Share
from data.interval import IntervalMinutes, block_numbers, blocks_per_day
from data.json_text import loads
from data.meter import SignedDay
from zkp.algebra.commitment import DAY_HOURS
from zkp.statements.total import Total

_QUARTERS: IntervalMinutes = 15
_Hex = Annotated[str, StringConstraints(pattern="^0x([0-9a-f]{2})*$")]
_Address = Annotated[str, StringConstraints(pattern="^0x[0-9a-fA-F]{40}$")]
_Blinding = Annotated[str, StringConstraints(pattern="^0x([0-9a-f]{2}){1,32}$")]
_Wh = Annotated[int, Field(ge=0, lt=1 << 53)]
_DayNumber = Annotated[int, Field(ge=0, lt=1 << 32)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _SignedPart(_Part):
    household: _Address
    commitment: _Hex
    signature: _Hex


class _TotalPart(_Part):
    values_wh: list[_Wh] = Field(min_length=DAY_HOURS, max_length=DAY_HOURS)
    blinding: _Blinding


class _BlockPart(_Part):
    imported: list[_SignedPart]
    exported: list[_SignedPart]
    import_totals: list[_TotalPart] = Field(min_length=1)
    export_total: _TotalPart


class _NumberedPart(_Part):
    day: _DayNumber


class _DayPart(_BlockPart, _NumberedPart):
    """A day by the hour: its number first."""


class _QuartersPart(_NumberedPart):
    """A day by the quarter of an hour: its blocks of 24 in their order."""

    blocks: list[_BlockPart] = Field(min_length=blocks_per_day(_QUARTERS), max_length=blocks_per_day(_QUARTERS))


class _KeyPart(_Part):
    kind: KeyKind
    numbers: dict[str, int]


class _SharePart(_Part):
    household: _Address
    side: Literal["import", "export"]
    share_wh: _Wh
    proof: _Hex


class _AssignmentPart(_Part):
    first_day: _DayNumber
    meter: _Address


class _File(_Part):
    """`meters` are what the settlement was checked with, of a household whose meter was replaced one after the other:
    an auditor compares them with the community's registry.

    `shared_wh`, `remainder_wh` and `root` follow from the rest, and are refused where they do not.
    """

    format: int
    community: str = Field(min_length=1, max_length=100)
    key: _KeyPart
    meters: dict[_Address, _Address | Annotated[list[_AssignmentPart], Field(max_length=most_days(60))]]
    days: Sequence[_DayPart | _QuartersPart]
    shares: list[_SharePart]
    shared_wh: _Wh
    remainder_wh: dict[Literal["import", "export"], _Wh]
    root: _Hex


class SettlementFile(_File):
    """By the hour."""

    format: Literal[1] = 1
    days: list[_DayPart] = Field(min_length=1, max_length=most_days(60))


class QuarterSettlementFile(_File):
    """By the quarter of an hour."""

    format: Literal[2] = 2
    days: list[_QuartersPart] = Field(min_length=1, max_length=most_days(_QUARTERS))
    interval_minutes: Literal[15] = 15


def written(settlement: Settlement, meters: Meters) -> bytes:
    """The file of a settlement."""
    of = settlement.period
    parts: dict[str, Any] = {
        "community": of.community,
        "key": _KeyPart(kind=of.key.kind, numbers=dict(of.key.numbers)),
        "meters": {household: _meters(meters[household]) for household in of.households},
        "shares": [
            _SharePart(household=household, side=side, share_wh=share.wh, proof=_hex(share.proof))
            for (household, side), share in sorted(settlement.shares.items())
        ],
        "shared_wh": of.shared_wh,
        "remainder_wh": {side: settlement.remainder(side) for side in SIDES},
        "root": _hex(settlement.root),
    }
    content: _File = (
        SettlementFile(days=[_hours(record) for record in of.days], **parts)
        if of.interval == 60
        else QuarterSettlementFile(days=[_quarters(record) for record in of.days], **parts)
    )
    return content.model_dump_json().encode()


def read(data: bytes) -> tuple[Settlement, Meters]:
    """A settlement from its file, nothing of it checked but its form and sums; and the meters it names.

    Raises PeriodError for what is no such file, names a share twice, or states a sum that does not follow.
    """
    try:
        parsed = loads(data)
        of_quarters = isinstance(parsed, dict) and parsed.get("format") == 2
        content = (QuarterSettlementFile if of_quarters else SettlementFile).model_validate(parsed)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, problem["loc"])) or "(the whole)"
        number = 2 if of_quarters else 1
        raise PeriodError(f"this is no settlement of format {number}: {where}: {problem['msg']}") from None
    except ValueError as problem:
        raise PeriodError(f"this is no settlement: {problem}") from None
    named = Counter((share.household, share.side) for share in content.shares)
    if twice := [key for key, count in named.items() if count > 1]:
        raise PeriodError(f"{twice[0][0]} has two shares of {twice[0][1]}")
    interval: IntervalMinutes = _QUARTERS if isinstance(content, QuarterSettlementFile) else 60
    records = tuple(_record(day, interval) for day in content.days)
    period = Period(content.community, Key(content.key.kind, content.key.numbers), records, interval)
    shares: dict[tuple[str, Side], Share] = {
        (share.household, share.side): Share(share.share_wh, _bytes(share.proof)) for share in content.shares
    }
    meters = {
        household: known if isinstance(known, str) else tuple(Assignment(one.first_day, one.meter) for one in known)
        for household, known in content.meters.items()
    }
    return _consistent(Settlement(period, shares), content), meters


def _consistent(settlement: Settlement, content: _File) -> Settlement:
    """Raises PeriodError where a sum in the file is not what its parts come to."""
    stated = {"shared_wh": content.shared_wh, "root": content.root} | {
        f"remainder_wh of {side}": content.remainder_wh.get(side) for side in SIDES
    }
    follows = {"shared_wh": settlement.period.shared_wh, "root": _hex(settlement.root)} | {
        f"remainder_wh of {side}": settlement.remainder(side) for side in SIDES
    }
    for name, value in follows.items():
        if stated[name] != value:
            raise PeriodError(f"{name} is stated as {stated[name]}, and comes to {value}")
    return settlement


def _meters(known: str | tuple[Assignment, ...]) -> str | list[_AssignmentPart]:
    """Without those that there was none of: a household that has no meter is no member."""
    if isinstance(known, str):
        return known
    return [_AssignmentPart(first_day=one.first_day, meter=one.meter) for one in known if one.meter]


def _hours(record: DayRecord) -> _DayPart:
    (block,) = record.blocks
    return _DayPart(day=record.day, **dict(_block(block)))


def _quarters(record: DayRecord) -> _QuartersPart:
    return _QuartersPart(day=record.day, blocks=[_block(block) for block in record.blocks])


def _block(block: BlockRecord) -> _BlockPart:
    return _BlockPart(
        imported=[_signed(signed) for signed in block.imported],
        exported=[_signed(signed) for signed in block.exported],
        import_totals=[_total(total) for total in block.imports],
        export_total=_total(block.exports),
    )


def _record(day: _DayPart | _QuartersPart, interval: IntervalMinutes) -> DayRecord:
    blocks = day.blocks if isinstance(day, _QuartersPart) else [day]
    numbers = block_numbers(day.day, interval)
    return DayRecord(day.day, tuple(map(_block_record, numbers, blocks)))


def _block_record(number: int, block: _BlockPart) -> BlockRecord:
    def signed(parts: list[_SignedPart]) -> tuple[SignedDay, ...]:
        return tuple(SignedDay(p.household, number, _bytes(p.commitment), _bytes(p.signature)) for p in parts)

    def total(part: _TotalPart) -> Total:
        return Total(tuple(part.values_wh), int.from_bytes(_bytes(part.blinding), "big"))

    return BlockRecord(
        number, signed(block.imported), signed(block.exported), tuple(map(total, block.import_totals)),
        total(block.export_total),
    )  # fmt: skip


def _signed(signed: SignedDay) -> _SignedPart:
    return _SignedPart(
        household=signed.household, commitment=_hex(signed.commitment), signature=_hex(signed.signature)
    )


def _total(total: Total) -> _TotalPart:
    return _TotalPart(values_wh=list(total.values), blinding=_hex(total.blinding.to_bytes(32, "big")))


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])
