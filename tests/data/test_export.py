"""Export is signed beside import, as data of another kind: neither register can stand in for the other."""

import dataclasses

import pytest

from data.errors import MeterError
from data.meter import ALL_MEASURED, Meter, verify_day_with_filled, verify_opening, verify_signed_day
from zkp.errors import InvalidStatement

HOUSEHOLD = "0x" + "11" * 20
METER = Meter(b"\x05" * 32)
EXPORT = [0] * 8 + [1200] * 8 + [0] * 8
SIGNED, OPENING = METER.sign_day(HOUSEHOLD, 17_000, EXPORT, quantity="export")


def test_what_was_fed_in_is_signed_and_opens() -> None:
    verify_signed_day(SIGNED, METER.address, "export")
    verify_opening(SIGNED, OPENING)
    assert OPENING.readings == tuple(EXPORT)


def test_import_and_export_can_not_be_shown_for_one_another() -> None:
    imported, _ = METER.sign_day(HOUSEHOLD, 17_000, EXPORT)
    with pytest.raises(MeterError, match="signed by"):
        verify_signed_day(imported, METER.address, "export")
    with pytest.raises(MeterError, match="signed by"):
        verify_signed_day(SIGNED, METER.address)


@pytest.mark.parametrize(
    "change",
    [
        {"household": "0x" + "22" * 20},
        {"household": "0x"},
        {"day": 17_001},
        {"day": -1},
        {"commitment": bytes(48)},
        {"commitment": bytes(47)},
        {"signature": bytes(65)},
        {"signature": b""},
    ],
)
def test_no_part_of_it_can_be_another(change: dict[str, object]) -> None:
    with pytest.raises(MeterError):
        verify_signed_day(dataclasses.replace(SIGNED, **change), METER.address, "export")  # type: ignore[arg-type]


def test_another_meters_signature_is_refused() -> None:
    with pytest.raises(MeterError, match="not by the household's meter"):
        verify_signed_day(SIGNED, Meter(b"\x06" * 32).address, "export")


@pytest.mark.parametrize("hours", [[-1] + [0] * 23, [1 << 17] + [0] * 23, [0] * 23])
def test_a_meter_signs_nothing_that_it_can_not_count(hours: list[int]) -> None:
    with pytest.raises(InvalidStatement):
        METER.sign_day(HOUSEHOLD, 17_000, hours, quantity="export")


def test_two_days_of_the_same_export_are_not_told_apart_from_others() -> None:
    again, _ = METER.sign_day(HOUSEHOLD, 17_000, EXPORT, quantity="export")
    assert again.commitment != SIGNED.commitment


def test_a_filled_day_of_export_is_signed_as_such_and_settles_nothing() -> None:
    signed, _ = METER.sign_day(HOUSEHOLD, 17_000, EXPORT, measured=1, quantity="export")
    verify_day_with_filled(signed, METER.address, "export")
    with pytest.raises(MeterError, match=r"the export of day 17000 .* were filled in"):
        verify_signed_day(signed, METER.address, "export")
    for changed in ({"measured": 3}, {"measured": ALL_MEASURED}):
        with pytest.raises(MeterError, match="signed by"):
            verify_day_with_filled(dataclasses.replace(signed, **changed), METER.address, "export")
    with pytest.raises(MeterError, match="signed by"):
        verify_day_with_filled(signed, METER.address)
