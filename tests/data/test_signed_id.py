"""A household's id for one partner: signed by its meter, the same each time, and for nobody else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from data.errors import MeterError
from data.meter import Meter
from data.signed_id import sign_id, verify_signed_id

METER = Meter(b"\1" * 32)
HOUSEHOLD = "0x" + "ab" * 20
SIGNED = sign_id(METER, HOUSEHOLD, "charger")


def test_it_verifies_and_is_the_same_each_time() -> None:
    verify_signed_id(SIGNED, METER.address)
    assert sign_id(METER, HOUSEHOLD, "charger").to_bytes() == SIGNED.to_bytes()
    assert SIGNED.signature.hex() not in repr(SIGNED)


@pytest.mark.parametrize(
    "changed",
    [
        replace(SIGNED, partner="installer"),
        replace(SIGNED, household=Meter(b"\2" * 32).address),
        replace(SIGNED, signature=bytes(65)),
        replace(SIGNED, signature=SIGNED.signature[:64] + bytes([SIGNED.signature[64] ^ 1])),
        replace(SIGNED, signature=SIGNED.signature + b"\0"),
        replace(SIGNED, signature=sign_id(Meter(b"\2" * 32), HOUSEHOLD, "charger").signature),
    ],
)
def test_any_change_is_refused(changed: object) -> None:
    with pytest.raises(MeterError):
        verify_signed_id(changed, METER.address)  # type: ignore[arg-type]


def test_ids_for_two_partners_have_nothing_in_common() -> None:
    assert sign_id(METER, HOUSEHOLD, "installer").signature != SIGNED.signature


@pytest.mark.parametrize(("household", "partner"), [("home-01", "charger"), (HOUSEHOLD, ""), (HOUSEHOLD, "a\0b")])
def test_what_is_no_address_or_no_name_is_refused(household: str, partner: str) -> None:
    with pytest.raises(MeterError, match=r"address|1 to 64 characters"):
        sign_id(METER, household, partner)
