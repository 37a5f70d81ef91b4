"""The meter signs one commitment for each day; nobody else can, and nobody can move it elsewhere."""

import dataclasses
import stat
from pathlib import Path

import pytest

from data.errors import DamagedFile, MeterError
from data.meter import (
    ALL_MEASURED,
    DayOpening,
    Meter,
    SignedDay,
    verify_day_with_filled,
    verify_opening,
    verify_signed_block,
    verify_signed_day,
)
from data.quantity import QUANTITIES, Quantity
from zkp.algebra.commitment import commit_day
from zkp.errors import InvalidStatement

HOUSEHOLD = "0x00000000000000000000000000000000000000A1"
OTHER = "0x00000000000000000000000000000000000000b2"
METER = Meter(bytes([7]) * 32)
READINGS = list(range(100, 124))
SIGNED, OPENING = METER.sign_day(HOUSEHOLD, 17014, READINGS)
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def test_a_signed_day_verifies_and_opens() -> None:
    verify_signed_day(SIGNED, METER.address)
    verify_opening(SIGNED, OPENING)
    assert SIGNED.commitment == commit_day(17014, READINGS, OPENING.blinding)


def test_the_same_readings_never_give_the_same_commitment() -> None:
    again, _ = METER.sign_day(HOUSEHOLD, 17014, READINGS)
    assert again.commitment != SIGNED.commitment


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize(
    "forged",
    [
        dataclasses.replace(SIGNED, day=17015),
        dataclasses.replace(SIGNED, household=OTHER),
        dataclasses.replace(SIGNED, commitment=SIGNED.commitment[:-1]),
        dataclasses.replace(SIGNED, signature=SIGNED.signature + b"\0"),
        dataclasses.replace(SIGNED, signature=bytes(65)),
        dataclasses.replace(SIGNED, signature=bytes(64) + b"\x1b"),
        dataclasses.replace(SIGNED, day=-1),
        dataclasses.replace(SIGNED, household="somebody"),
        *[dataclasses.replace(SIGNED, commitment=flipped(SIGNED.commitment, at)) for at in range(0, 48, 5)],
        *[dataclasses.replace(SIGNED, signature=flipped(SIGNED.signature, at)) for at in range(0, 65, 4)],
    ],
)
def test_any_change_makes_it_false(forged: SignedDay) -> None:
    with pytest.raises(MeterError):
        verify_signed_day(forged, METER.address)


FILLED, _ = METER.sign_day(HOUSEHOLD, 17014, READINGS, ALL_MEASURED & ~(1 << 3))


@pytest.mark.parametrize(
    ("signed", "measured"),
    [
        (FILLED, ALL_MEASURED),
        (FILLED, ALL_MEASURED & ~(1 << 4)),
        (SIGNED, FILLED.measured),
        (FILLED, 1 << 24),
        (FILLED, -1),
    ],
)
def test_nobody_can_say_of_other_hours_that_they_were_measured(signed: SignedDay, measured: int) -> None:
    """The attack: a filled hour sold as measured, by the signature of a day or by that of the same day with gaps."""
    verify_day_with_filled(signed, METER.address)
    for check in (verify_signed_day, verify_day_with_filled):
        with pytest.raises(MeterError):
            check(dataclasses.replace(signed, measured=measured), METER.address)


def test_the_mirrored_signature_is_refused() -> None:
    r, s, v = SIGNED.signature[:32], int.from_bytes(SIGNED.signature[32:64], "big"), SIGNED.signature[64]
    mirrored = r + (ORDER - s).to_bytes(32, "big") + bytes([55 - v])
    with pytest.raises(MeterError, match="canonical"):
        verify_signed_day(dataclasses.replace(SIGNED, signature=mirrored), METER.address)


def test_another_meter_cannot_sign_for_the_home() -> None:
    signed, _ = Meter(bytes([8]) * 32).sign_day(HOUSEHOLD, 17014, READINGS)
    with pytest.raises(MeterError, match="not by the household's meter"):
        verify_signed_day(signed, METER.address)


def test_a_wrong_opening_is_refused() -> None:
    for wrong in (
        DayOpening((*OPENING.readings[:-1], OPENING.readings[-1] + 1), OPENING.blinding),
        DayOpening(OPENING.readings, OPENING.blinding + 1),
        DayOpening(OPENING.readings[:-1], OPENING.blinding),
    ):
        with pytest.raises(MeterError, match="not those committed to"):
            verify_opening(SIGNED, wrong)


@pytest.mark.parametrize("readings", [READINGS[:-1], [*READINGS, 1], [-1, *READINGS[1:]], [1 << 17, *READINGS[1:]]])
def test_readings_that_cannot_be_committed_to_are_refused(readings: list[int]) -> None:
    with pytest.raises(InvalidStatement):
        METER.sign_day(HOUSEHOLD, 1, readings)


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_a_block_of_quarters_is_no_day_of_the_same_number_and_of_one_quantity(quantity: Quantity) -> None:
    block, opening = METER.sign_block(HOUSEHOLD, 17014, READINGS, quantity, 15)
    verify_signed_block(block, METER.address, quantity, 15)
    verify_opening(block, opening)
    day, _ = METER.sign_block(HOUSEHOLD, 17014, READINGS, quantity)
    verify_signed_day(day, METER.address, quantity)
    others = [other for other in QUANTITIES if other != quantity]
    for verify in (
        lambda: verify_signed_day(block, METER.address, quantity),
        lambda: verify_day_with_filled(block, METER.address, quantity),
        lambda: verify_signed_block(day, METER.address, quantity, 15),
        lambda: verify_signed_block(block, METER.address, others[0], 15),
        lambda: verify_signed_block(dataclasses.replace(block, day=17015), METER.address, quantity, 15),
        lambda: verify_signed_block(block, OTHER, quantity, 15),
        lambda: verify_signed_block(dataclasses.replace(block, measured=1), METER.address, quantity, 15),
    ):
        with pytest.raises(MeterError, match=r"signed by|filled in"):
            verify()


def test_json_round_trip() -> None:
    for signed in (SIGNED, FILLED):
        assert SignedDay.from_json(signed.to_json()) == signed
    older = {name: value for name, value in SIGNED.to_json().items() if name != "measured"}
    assert SignedDay.from_json(older) == SIGNED


@pytest.mark.parametrize("change", [{"day": "x"}, {"commitment": "zz"}, {"household": "0x12"}, {"signature": 5}])
def test_json_that_is_not_a_signed_day(change: dict[str, object]) -> None:
    with pytest.raises(MeterError, match="not a signed day"):
        SignedDay.from_json(SIGNED.to_json() | change)


def test_nothing_secret_is_shown() -> None:
    assert repr(OPENING) == "DayOpening()"
    assert "0707" not in repr(METER)


def test_the_key_file_is_private_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "meter.key"
    meter = Meter.from_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Meter.from_file(path).address == meter.address


@pytest.mark.parametrize("content", ["", "12", "zz" * 32, "00" * 32, "07" * 33])
def test_a_broken_key_file_is_named_not_quoted(tmp_path: Path, content: str) -> None:
    path = tmp_path / "meter.key"
    path.write_text(content)
    with pytest.raises(DamagedFile, match="not a meter's key") as refused:
        Meter.from_file(path)
    assert refused.value.__cause__ is None
    assert not content or content not in str(refused.value).replace(str(path), "")
