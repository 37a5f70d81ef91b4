"""A household's meter is replaced from a day on: the key of the next one, made before that day begins.

    homes/HOME/meter.key          the first meter's
    homes/HOME/meter-DAY.key      that of the meter which counts from DAY on
    homes/HOME/meters.json        which meters there are (`api.gateway.known_meters`)

Each meter signs its own days, whenever they are signed; so the key before is kept. That the community counts each for
its own days alone, the registry on the chain says (`forecast_registry.vy`, `assign_meter`).
"""

from __future__ import annotations

from eth_account import Account

from api.config.key_file import VAULT, later_key, later_keys
from api.gateway.home import Home
from api.gateway.known_meters import forget_meter, read_meters
from data.atomic import write_bytes
from data.day import DayClock
from data.errors import DataError
from data.export import EXPORT_VAULT, QUARTER_VAULTS
from data.interval import IntervalMinutes, day_of_block
from data.vault import DayVault


def replace_meter(home: Home, first_day: int, today: int | None) -> None:
    """Make the key of the meter that counts from a day on. One that is still to come is given that day instead.

    `today`: the community's; None where its clock is not this machine's. Raises DataError for a day that has begun,
    or that is signed by the meter before; DamagedFile, LostFile, MeterError. A meter whose key is gone is replaced
    like any other, from a day that it has not begun; if it has not begun itself, by a new key for the same days.
    """
    if not (home.folder / "wallet.key").exists():
        raise DataError(f"there is no home {home.name} in {home.folder}: name a home of this gateway")
    later, meters = later_keys(home.folder), read_meters(home.folder)
    newest, is_lost = meters.since, meters.since in meters.lost
    given_up = [day for day in meters.lost if today is not None and day > today]
    if newest == first_day and not is_lost and not given_up:
        return
    if today is not None and first_day <= today:
        raise DataError(
            f"day {first_day} has begun: a meter takes over on a day that has not. Name a later one, and leave the "
            "manager the time to enter it before"
        )
    is_to_come = newest > 0 and today is not None and newest > today
    if first_day <= newest and not is_to_come:
        raise DataError(f"{home.name} has had another meter since day {newest}: name a day after it")
    if signed := _signed_since(home, min(first_day, newest) if is_to_come else first_day):
        raise DataError(
            f"day {signed} is signed already by the meter before: a day is signed once. Name a day after {signed}"
        )
    if is_to_come and not is_lost:
        later[newest].rename(later_key(home.folder, first_day))
    elif first_day not in later:
        write_bytes(later_key(home.folder, first_day), bytes(Account.create().key).hex().encode(), private=True)
    for day in given_up:
        forget_meter(home.folder, day)
    read_meters(home.folder)


def member_line(home: Home, clock: DayClock) -> str:
    """The household's entry for `community.members`, with the meters that were replaced."""
    meters = home.meters
    newest = meters.address_on(meters.since)
    parts = [f"household: '{home.wallet.address}'", f"meter: '{newest}'", f"home: '{home.name}'"]
    replaced = [
        f"{{meter: '{meters.address_on(day)}', last_date: {clock.date_of(after - 1)}}}"
        for day, after in zip(meters.first_days, meters.first_days[1:], strict=False)
    ]
    if replaced:
        parts.append(f"replaced: [{', '.join(replaced)}]")
    return f"- {{{', '.join(parts)}}}"


def _signed_since(home: Home, first_day: int) -> int | None:
    """The last day from this one on that a meter has signed, of either register."""
    days: list[int] = []
    intervals: dict[str, IntervalMinutes] = {VAULT: 60, EXPORT_VAULT: 60}
    intervals |= {name: 15 for name in QUARTER_VAULTS.values()}
    for name, interval in intervals.items():
        if (home.folder / name).exists():
            numbers = DayVault(home.folder / name, interval).days(home.wallet.address)
            days += [day_of_block(number, interval) for number in numbers]
    return max((day for day in days if day >= first_day), default=None)
