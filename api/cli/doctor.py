"""The checks of `wattproof doctor`: each is a function from the settings to findings, and changes nothing."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from api.config.community_yaml import Config, load
from api.protocol.finding import Finding
from data.failures import describe

_LEAST_FREE_MB = 500
_SOON_DAYS = 30
_PROBE_S = 5.0

Check = Callable[[Config], Iterator[Finding]]


def examine_machine(config: Path) -> list[Finding]:
    """All findings in the order of the checks. Raises ConfigError for invalid settings."""
    settings = load(config)
    found = [Finding(f"Settings: {config} ({settings.community.name}, data.source: {settings.data.source})")]
    for check in (_readings, _quarters, _weather, _keys, _state, _ports, _chain, _server):
        try:
            found += check(settings)
        except Exception as problem:  # noqa: BLE001 - a check that can't be made is a finding, and the others go on
            found.append(Finding.failed(f"The check of {check.__name__[1:]} could not be made", describe(problem)))
    return found


def _readings(settings: Config) -> Iterator[Finding]:
    from data.community import load_readings
    from data.day import DayClock, utc_text

    if settings.data.source == "none":
        yield Finding.noted("There are no readings on this machine, as configured (data.source: none).")
        return
    for table in settings.data.files:
        if not table.exists():
            yield Finding.missing(
                f"{table} does not exist",
                f"create it with `wattproof data import EXPORT --home {table.stem} --out {table}`, EXPORT being the "
                "file from your meter's portal; or remove it from data.files",
            )
    if any(not table.exists() for table in settings.data.files):
        return
    clock = DayClock(settings.data.day_start_utc)
    readings = load_readings(settings.data)
    for home, mine in readings.groupby("unique_id", observed=True):
        first, last = mine["ds"].min(), mine["ds"].max()
        hours = round((last - first).total_seconds() / 3600) + 1
        gaps, filled = hours - len(mine), int(mine["filled"].sum())
        line = f"{home}: {len(mine)} hours, {utc_text(first)} to {utc_text(last)} (day {clock.day_of(last)})"
        if gaps:
            yield Finding.missing(
                f"{line}; {gaps} hours are missing in between", "import them: days that need them cannot be forecast"
            )
        elif len(mine) < 9 * 24:
            yield Finding.missing(line, "a model needs at least nine days of readings")
        else:
            yield Finding(f"{line}, {filled} filled")


def _quarters(settings: Config) -> Iterator[Finding]:
    """The tables of quarters of an hour: they are there, agree with those of hours, and have whole days."""
    from data.community import tables_of
    from data.day import DayClock
    from data.quarters import HomeQuarters, load_quarters

    data = settings.data
    for path in data.quarters:
        if not path.exists():
            home = path.stem.removesuffix("-quarters")
            yield Finding.missing(
                f"{path} does not exist",
                f"create it with `wattproof data import EXPORT --home {home} --out TABLE --quarters {path}`, EXPORT "
                "being a file of 15 minutes or less; or remove it from data.quarters",
            )
    if settings.settlement.interval_minutes == 15 and data.source == "files" and not data.quarters:
        yield Finding.missing(
            "Shared energy is settled by the quarter of an hour, and data.quarters names no table",
            "import the homes' files with --quarters (docs/meters.md), or leave settlement.interval_minutes out",
        )
    if not data.quarters or any(not path.exists() for path in (*data.files, *data.quarters)):
        return
    table = load_quarters(data.quarters, tables_of(data.files))
    clock = DayClock(data.day_start_utc)
    for home in sorted(set(table["unique_id"])):
        quarters = HomeQuarters(table, home, clock)
        days = quarters.whole_days
        if days and (how := quarters.split_up()):
            yield Finding.missing(
                f"{home}: its quarters of an hour say nothing: {how}",
                "its meter, or a program before the gateway, has hours only: find a source that counts each quarter",
            )
        elif days:
            first, last = clock.date_of(days[0]), clock.date_of(days[-1])
            yield Finding(f"{home}: {len(days)} days with all quarters of both registers, {first} to {last}")
        else:
            yield Finding.missing(
                f"{home}: no day has all quarters of both registers",
                "import a file with import and export, of 15 minutes or less, with --quarters; of a home that feeds "
                "nothing in, with --no-export as well (docs/meters.md)",
            )


def _weather(settings: Config) -> Iterator[Finding]:
    if settings.data.source != "citylearn" and settings.data.weather is None:
        yield Finding.noted("No weather feed (data.weather): forecasts use calendar and load only.")


def _keys(settings: Config) -> Iterator[Finding]:
    from fl.deployment.certificates import Certificates
    from fl.deployment.keys import KeyFolder

    folder = settings.federation.deployment.keys_dir
    if not folder.exists():
        if settings.gateway.api_url is not None:
            yield Finding.missing(
                f"No keys in {folder}",
                "get authority.pem and agents/HOME.key from the coordinator, or make the pair here with "
                "`wattproof keys --home HOME --gateway` and send HOME.pub",
            )
        elif settings.data.source == "none":
            yield Finding.missing(
                f"No keys in {folder}", "create them with `wattproof keys --home NAME --home NAME ...`"
            )
        else:
            yield Finding.noted(f"No keys in {folder}: only coordinators and agents need them (`wattproof keys`).")
        return
    if settings.gateway.api_url is not None and not settings.federation.deployment.insecure:
        if not (authority := KeyFolder(folder).authority).exists():
            yield Finding.missing(f"{authority} is missing", "get it from the community's manager")
        if not any((folder / "agents").glob("*.key")):
            yield Finding.missing(
                f"There is no key of this gateway in {folder / 'agents'}",
                "make the pair with `wattproof keys --home HOME --gateway`, and send HOME.pub to the manager",
            )
    certificates = Certificates.of(KeyFolder(folder))
    for name in certificates.paths:
        left = certificates.days_left(name)
        if left > _SOON_DAYS:
            yield Finding(f"The {name}'s certificate is valid for {left:.0f} more days.")
        else:
            yield Finding.failed(
                f"The {name}'s certificate expires in {left:.0f} days or cannot be read",
                "renew it with `wattproof keys --renew` on the coordinator, and give authority.pem to every gateway",
            )
    for key in sorted((folder / "agents").glob("*.key")):
        if key.stat().st_mode & 0o077:
            yield Finding.failed(f"{key} is readable by others", f"chmod 600 {key}")


def _state(settings: Config) -> Iterator[Finding]:
    folder = settings.api.state_dir
    there = folder if folder.exists() else next(p for p in folder.absolute().parents if p.exists())
    free = shutil.disk_usage(there).free // 2**20
    if free < _LEAST_FREE_MB:
        yield Finding.failed(f"{there}: only {free} MB are free", f"make room: at least {_LEAST_FREE_MB} MB")
    else:
        yield Finding(f"State: {folder} ({free:,} MB free)")
    if folder.exists() and folder.stat().st_mode & 0o007:
        yield Finding.failed(f"{folder} is readable by everybody", f"chmod 700 {folder}")
    if settings.gateway.api_url is None:
        rounds = sorted(int(path.name) for path in (folder / "rounds").glob("[0-9]*") if path.name.isdigit())
        yield Finding.noted(f"Rounds of the model: {f'up to {rounds[-1]}' if rounds else 'none yet'}.")


def _ports(settings: Config) -> Iterator[Finding]:
    if settings.gateway.api_url is not None:
        return  # a gateway opens no port
    with socket.socket() as probe:
        probe.settimeout(_PROBE_S)
        taken = probe.connect_ex((settings.api.host, settings.api.port)) == 0
    yield Finding.noted(f"Port {settings.api.port} of {settings.api.host} is {'in use' if taken else 'free'}.")


def _chain(settings: Config) -> Iterator[Finding]:
    from api.operator.community import CONTRACTS
    from rewards.chain import Chain
    from rewards.deploy import Addresses, Contracts
    from rewards.errors import ChainError

    node = settings.rewards.rpc_url
    if settings.gateway.api_url is not None:
        return  # a gateway asks the community's server, or a node of its own
    if node is None:
        journal = settings.api.state_dir / "chain.jsonl"
        size = f"its journal has {journal.stat().st_size:,} bytes" if journal.exists() else "no journal yet"
        yield Finding.noted(f"Embedded chain: {size}.")
        return
    try:
        chain = Chain.at(node.get_secret_value())
        answers = f"The chain's node answers (chain id {chain.chain_id})"
    except ChainError as problem:
        yield Finding.failed("The chain's node (rewards.rpc_url) does not answer", describe(problem))
        return
    path = settings.api.state_dir / CONTRACTS
    if not path.exists():
        yield Finding(f"{answers}; the contracts are not deployed yet.")
        return
    try:
        Contracts.of(chain, Addresses.read(path)).check_there(chain)
        yield Finding(f"{answers}, and has the contracts.")
    except ChainError as problem:
        yield Finding.failed(f"{answers}, but the community's contracts are not found there", describe(problem))


def _server(settings: Config) -> Iterator[Finding]:
    import httpx

    from data.http_client import get

    url = settings.gateway.api_url
    if url is None:
        return
    try:
        answer = get(url.rstrip("/") + "/livez", whole_s=_PROBE_S)
    except httpx.HTTPError as problem:
        yield Finding.failed(
            f"The community's server at {url} cannot be reached ({type(problem).__name__})",
            "check gateway.api_url and the network, and ask its manager whether it runs",
        )
        return
    if answer.is_success:
        yield Finding("The community's server answers (gateway.api_url).")
    else:
        yield Finding.failed(f"The community's server answers with HTTP {answer.status_code}", "ask its manager")
