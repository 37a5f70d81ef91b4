"""A household's meter is replaced from a day on: the key of the next one, made before that day begins.

    homes/HOME/meter.key          the first meter's
    homes/HOME/meter-DAY.key      that of the meter which counts from DAY on

Each meter signs its own days, whenever they are signed; so the key before is kept. That the community counts each for
its own days alone, the registry on the chain says (`forecast_registry.vy`, `assign_meter`).
"""

from __future__ import annotations

from eth_account import Account

from api.config.key_file import VAULT, household_key, later_key, later_keys
from api.gateway.home import Home
from data.atomic import write_bytes
from data.day import DayClock
from data.errors import DataError
from data.export import EXPORT_VAULT, QUARTER_VAULTS
from data.interval import IntervalMinutes, day_of_block
from data.vault import DayVault


def replace_meter(home: Home, first_day: int, today: int | None) -> None:
    """Make the key of the meter that counts from a day on. One that is still to come is given that day instead.

    `today`: the community's; None where its clock is not this machine's. Raises DataError for a day that has begun,
    or that is signed by the meter before; DamagedFile, LostFile, MeterError.
    """
    if not (home.folder / "wallet.key").exists():
        raise DataError(f"there is no home {home.name} in {home.folder}: name a home of this gateway")
    later = later_keys(home.folder)
    newest = max(later, default=0)
    if newest == first_day:
        return
    if today is not None and first_day <= today:
        raise DataError(
            f"day {first_day} has begun: a meter takes over on a day that has not. Name a later one, and leave the "
            "manager the time to enter it before"
        )
    is_to_come = newest > 0 and today is not None and newest > today
    if first_day < newest and not is_to_come:
        raise DataError(f"{home.name} has had another meter since day {newest}: name a day after it")
    if signed := _signed_since(home, min(first_day, newest) if is_to_come else first_day):
        raise DataError(
            f"day {signed} is signed already by the meter before: a day is signed once. Name a day after {signed}"
        )
    household_key(home.folder, "meter.key")  # refuses where the key that signed earlier days is lost
    if is_to_come:
        later[newest].rename(later_key(home.folder, first_day))
        return
    write_bytes(later_key(home.folder, first_day), bytes(Account.create().key).hex().encode(), private=True)


def member_line(home: Home, clock: DayClock) -> str:
    """The household's entry for `community.members`, with the meters that were replaced."""
    meters = home.meters
    parts = [f"household: '{home.wallet.address}'", f"meter: '{meters.newest.address}'", f"home: '{home.name}'"]
    replaced = [
        f"{{meter: '{meters.on(day).address}', last_date: {clock.date_of(after - 1)}}}"
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
