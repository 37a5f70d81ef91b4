"""Which meters a household has: their addresses, kept beside their keys, so that a key that is gone is noticed.

    homes/HOME/meters.json     address by first day: {"0": "0x…", "20502": "0x…"}

Without it a lost `meter-DAY.key` would leave its days to the meter before, which the community does not take.
"""

from __future__ import annotations

import json
from pathlib import Path

from eth_utils.address import is_address

from api.config.key_file import METER_KEY, household_key, later_keys
from data.atomic import write_bytes
from data.damage import check_kept, whole
from data.household_meters import HouseholdMeters
from data.json_text import loads
from data.meter import Meter

KNOWN = "meters.json"


def read_meters(folder: Path) -> HouseholdMeters:
    """The household's meters by their keys, those that are new written down. Raises DamagedFile, LostFile."""
    known = _known(folder)
    if known:
        check_kept(
            folder / METER_KEY, f"{KNOWN} beside it knows the meter",
            f"If no day was ever signed by it, move {folder / KNOWN} away: a new key is made, which the manager has "
            "to be told of (`wattproof identity`).",
        )  # fmt: skip
    keys = {0: household_key(folder, METER_KEY)} | later_keys(folder)
    own = {day: Meter.from_file(key) for day, key in keys.items()}
    here = {meter.address for meter in own.values()}
    lost = {day: address for day, address in known.items() if address not in here}
    _write(folder, {day: meter.address for day, meter in own.items()} | lost, known)
    return HouseholdMeters(own, lost, str(folder))


def forget_meter(folder: Path, first_day: int) -> None:
    """Forget a meter whose key is gone, and which never counted."""
    known = _known(folder)
    _write(folder, {day: address for day, address in known.items() if day != first_day}, known)


def _known(folder: Path) -> dict[int, str]:
    path = folder / KNOWN
    if not path.exists():
        return {}
    remedy = f"Move it away if {METER_KEY} and all meter-DAY.key are here"
    with whole(path, "the list of the household's meters", remedy):
        told = loads(path.read_bytes())
        if not all(isinstance(address, str) and is_address(address) for address in told.values()):
            raise ValueError("no address")
        return {int(day): address for day, address in told.items()}


def _write(folder: Path, meters: dict[int, str], known: dict[int, str]) -> None:
    if meters != known:
        told = {str(day): meters[day] for day in sorted(meters)}
        write_bytes(folder / KNOWN, json.dumps(told).encode(), private=True)
