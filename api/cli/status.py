"""What `wattproof status` shows: the state of a gateway's homes and of the community's server, in sentences.

It only reads what agent and server write to this machine's disk, and asks the server for what is public.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx

from api.config.community_yaml import Config
from api.gateway.day_watch import kept_reason
from api.gateway.outbox import Outbox, Submission
from api.protocol.finding import Finding
from data.day import DayClock, utc_text
from data.http_client import get
from data.json_text import loads
from fl.deployment.kept_model import kept_model_path, kept_round

_PROBE_S = 5.0
_CLOCK_S = 30
"""How far this machine's clock may be from the server's: signatures allow five minutes (RFC 9421, created)."""


def machine_status(config: Config, homes: list[str] | None) -> Iterator[Finding]:
    """Of the named homes, or of all whose agents run on this machine; of the server, if its database is here."""
    is_gateway = config.gateway.api_url is not None or kept_model_path(config.api.model_dir) is not None
    names = homes or (_homes_here(config.api.homes_dir) if is_gateway else [])
    if names:
        yield from _model(config)
    now = _community_time(config) if names else 0.0
    for name in names:
        yield from _home(config, name, now)
    if config.api.database_url is not None or config.api.database_file.exists():
        yield from _server(config)
    elif not names:
        yield Finding.noted("Neither an agent nor a server has run with these settings yet.")


def _community_time(config: Config) -> float:
    """The time that days run by, UTC seconds: in a replay the server's, or when it begins where no server answers."""
    if config.replay is None:
        return time.time()
    url = config.gateway.api_url or f"http://{config.api.host}:{config.api.port}"
    try:
        answer = get(url.rstrip("/") + "/health", whole_s=_PROBE_S)
        return float(loads(answer.content)["chain_time"])
    except (httpx.HTTPError, ValueError, TypeError, KeyError):
        return config.replay.start.timestamp()


def _homes_here(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _home(config: Config, home: str, now: float) -> Iterator[Finding]:
    """Last reading, the forecast of the day that has begun, submissions; `now`: the community's time, UTC seconds."""
    clock = DayClock(config.data.day_start_utc)
    today = clock.day_of(datetime.fromtimestamp(now, UTC))
    yield from _readings(config, home, clock, now)
    outbox = Outbox(config.api.outbox_dir, home)
    yield _forecast(config, home, today, f"{clock.date_of(today)} (day {today})", outbox)
    yield from _submissions(home, outbox, time.time())


def _readings(config: Config, home: str, clock: DayClock, now: float) -> Iterator[Finding]:
    from data.community import load_readings

    if config.data.source == "none":
        yield Finding.noted(f"{home}: its readings are on another machine (data.source: none).")
        return
    if any(not table.exists() for table in config.data.files):
        yield Finding.missing(f"{home}: no readings yet", "import them: `wattproof data import`")
        return
    readings = load_readings(config.data)
    mine = readings[readings["unique_id"].astype(str) == home]
    if mine.empty:
        yield Finding.missing(f"{home}: no readings here", "name its table in data.files")
        return
    last = mine["ds"].max()
    hours = (now - last.timestamp()) / 3600 - 1
    line = f"{home}: last reading: the hour from {utc_text(last)} (day {clock.day_of(last)})"
    yield Finding(f"{line}, {max(hours, 0):.0f} hours ago.")


def _forecast(config: Config, home: str, today: int, named: str, outbox: Outbox) -> Finding:
    """Whether the day that has begun has a forecast, and if not, why."""
    if not (config.api.proofs_dir / str(today) / f"{home}.json").exists():
        reason = kept_reason(config.api.homes_dir / home, today) or "its agent has given no reason: is it running?"
        return Finding.missing(f"{home}: no forecast for {named}", reason)
    submission = outbox.get("forecast", today)
    if config.gateway.api_url is None or submission is None:
        return Finding(f"{home}: the forecast for {named} is proven.")
    if submission.state == "done":
        return Finding(f"{home}: the forecast for {named} is proven and registered.")
    if submission.state == "waiting":
        return Finding.noted(f"{home}: the forecast for {named} is proven and waits to be registered.")
    return Finding.failed(f"{home}: the forecast for {named} was refused", submission.code or "the log says why")


def _submissions(home: str, outbox: Outbox, now: float) -> Iterator[Finding]:
    waiting = [one for one in outbox.all() if one.state == "waiting"]
    if not waiting:
        yield Finding(f"{home}: nothing is waiting to be submitted.")
        return
    described = ", ".join(_described(one, now) for one in waiting)
    yield Finding.noted(f"{home}: {len(waiting)} submission{'s' if len(waiting) > 1 else ''} waiting: {described}.")


def _described(submission: Submission, now: float) -> str:
    since = max(now - submission.since, 0) / 3600
    why = f", last answer {submission.code}" if submission.code else ""
    return f"{submission.kind} {submission.number} ({since:.0f} h{why})"


def _model(config: Config) -> Iterator[Finding]:
    """The model kept on this gateway, beside the newest one that the server has."""
    kept, url = kept_round(config.api.model_dir), config.gateway.api_url
    if url is None:
        yield Finding.noted(f"Model: round {kept} is here." if kept else "No model is here yet.")
        return
    try:
        answer = get(url.rstrip("/") + "/rounds", whole_s=_PROBE_S)
        answer.raise_for_status()
        newest = max((int(one["number"]) for one in loads(answer.content)), default=0)
    except (httpx.HTTPError, httpx.InvalidURL, ArithmeticError, ValueError, TypeError, KeyError) as problem:
        yield Finding.missing(
            f"The community's server does not list its rounds ({type(problem).__name__})",
            "forecasts wait until it does; gateway.api_url names it",
        )
        return
    yield _clock(answer, time.time())
    if newest == 0:
        yield Finding.noted("The community has published no model yet.")
    elif kept < newest:
        yield Finding.missing(f"The newest model, of round {newest}, is not here", "a running agent fetches it")
    else:
        yield Finding(f"The newest model, of round {newest}, is here.")


def _clock(answer: httpx.Response, now: float) -> Finding:
    try:
        ahead = now - parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (KeyError, ValueError):
        return Finding.noted("The server does not report its time.")
    if abs(ahead) > _CLOCK_S:
        return Finding.failed(
            f"This machine's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the server's",
            "synchronise it (NTP): requests signed at another time are refused",
        )
    return Finding("This machine's clock agrees with the server's.")


def _server(config: Config) -> Iterator[Finding]:
    """What the server on this machine answers, and the days in its database."""
    from api.one_machine.days_known import days_known

    url = f"http://{config.api.host}:{config.api.port}/readyz"
    try:
        answer = get(url, whole_s=_PROBE_S)
    except httpx.HTTPError as problem:
        yield Finding.missing(f"No server answers at {url} ({type(problem).__name__})", "`wattproof serve` starts it")
    else:
        if answer.is_success:
            yield Finding(f"The server answers at {url}: database, chain and proof checks are ready.")
        else:
            yield Finding.failed(f"The server at {url} is not ready", _what_is_missing(answer))
    days = days_known(config).days
    for one in days[-3:]:
        totals = "its total is open" if one.forecast_total else "its total is not open"
        yield Finding.noted(f"{one.date} (day {one.day}): {one.forecasts} forecasts, {totals}.")


def _what_is_missing(answer: httpx.Response) -> str:
    """What an answer of /readyz names, in the server's words."""
    try:
        checks = loads(answer.content)["checks"]
        return "; ".join(f"{name}: {found}" for name, found in checks.items() if found != "ok")
    except (ValueError, TypeError, KeyError, AttributeError):
        return f"HTTP {answer.status_code}, and the answer is not in the API's format: another program answers there"
