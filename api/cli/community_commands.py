"""`wattproof train`, `forecast`, `prove` and `claim`: all homes of a community on one machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import Progress

from api.cli.arguments import CONFIG, ConfigOption, DayArgument, HomeArgument, NewestDayArgument
from api.cli.day_names import DayName
from api.cli.terminal import INCOMPLETE, console

if TYPE_CHECKING:
    from api.config.community_yaml import Config
    from api.gateway.home import Home
    from api.gateway.proof_folder import ProofFigures
    from api.one_machine.community import LocalCommunity
    from api.operator.chain_session import ChainSession
    from api.operator.trained_model import TrainedModel


def train(
    config: ConfigOption = CONFIG,
    one_shot: Annotated[
        bool, typer.Option("--one-shot", help="from a single sum over all homes' days, without training rounds")
    ] = False,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="MODEL",
            help="begin from another community's model: a round's weights.npz",
        ),
    ] = None,
    quantity: Annotated[
        str, typer.Option(help="what the model forecasts: load, or export (what homes feed in)")
    ] = "load",
) -> None:
    """Train the community's model with Flower's simulation, resuming from the last saved round, and publish it.

    Days that start after that are forecast with it. A model to begin from stays in force where it is better than the
    trained one, on the days kept out of training. A model of export has rounds of its own, in export/ in the state
    folder, a registry of its own on the chain, and no personal heads.
    """
    if one_shot and source is not None:
        raise typer.BadParameter("a one-shot training begins from nothing: leave out one of --one-shot and --from")
    from api.cli.served import settings_with_homes
    from api.cli.surplus_commands import publish_export
    from api.config.logs import leave_screen
    from api.config.traced import traced
    from api.one_machine import training
    from api.one_machine.community import LocalCommunity
    from data.quantity import QUANTITIES

    wanted = next((one for one in QUANTITIES if one == quantity), None)
    if wanted is None:
        raise typer.BadParameter(f"{quantity!r} is none of {', '.join(QUANTITIES)}", param_hint="--quantity")
    community = LocalCommunity(settings_with_homes(config))
    leave_screen(console, community.folder)
    with traced(community.config.tracing, "wattproof-one-machine"), Progress(console=console) as bar:
        task = bar.add_task("rounds", total=None if one_shot else community.config.federation.of(wanted).rounds)
        trained = training.train(
            community,
            lambda done, _total, _loss: bar.update(task, completed=done),
            one_shot=one_shot,
            source=source,
            quantity=wanted,
        )
    console.print(f"Round {trained.round}: weights digest 0x{trained.digest.hex()}")
    if wanted != "load":
        publish_export(community, trained)
        models = training.with_heads(community, trained, {})
        scores = training.evaluate(community, trained, {}, models, wanted)
        console.print_json(data=training.accuracy_summary(scores))
        return
    chain_session = _published(community, trained)
    heads, models = training.personalise(community, trained, community.homes)
    if chain_session is not None:
        _pin_heads(community, chain_session, trained)
    console.print_json(data=training.accuracy_summary(training.evaluate(community, trained, heads, models)))


def _published(community: LocalCommunity, trained: TrainedModel) -> ChainSession | None:
    """The chain on which the model is registered now; None if another command or process will do that."""
    from api.one_machine.days import publish_finished
    from api.operator.chain_session import open_chain_session
    from rewards.errors import ChainBusy

    if _clock_stands(community):
        console.print("The chain's clock is standing: `wattproof forecast DAY` publishes the model before that day.")
        return None
    try:
        chain_session = open_chain_session(community)
    except ChainBusy as busy:
        console.print(
            f"[yellow]Not published here:[/] {escape(str(busy))}. A running server publishes it automatically."
        )
        return None
    publish_finished(community, chain_session)
    now = datetime.fromtimestamp(chain_session.chain.now, UTC)
    console.print(
        f"Published: days that start after {now:%Y-%m-%d %H:%M} UTC are forecast with round {trained.round}."
    )
    return chain_session


def _pin_heads(community: LocalCommunity, chain_session: ChainSession, trained: TrainedModel) -> None:
    from api.one_machine.day import pin_heads

    unpinned = _Missed("no personal head pinned")
    pin_heads(community, chain_session, trained.round, unpinned)


class _Missed:
    """Reports a home that a step failed for, and keeps count."""

    def __init__(self, what: str) -> None:
        self._what, self.homes = what, set[str]()

    def __call__(self, home: Home, why: Exception) -> None:
        self.homes.add(home.name)
        console.print(f"[yellow]{home.name}: {self._what}:[/] {escape(str(why))}", highlight=False)


def forecast(day: NewestDayArgument = None, config: ConfigOption = CONFIG) -> None:
    """Forecast a day for every home here, prove and register each, open the community's total and calibrate it.

    A home that cannot be forecast is reported with the reason, and the others proceed. Exit codes: 0 every home has a
    forecast; 4 at least one has none; 1 the day cannot be forecast; 2 wrong command line.
    """
    from api.config.traced import traced
    from api.one_machine.days import forecast_day, model_of_day
    from api.operator.chain_session import open_chain_session

    community, number = _community_on(config, day, over=False)
    chain_session = open_chain_session(community, number)
    trained = model_of_day(community, chain_session, number)
    chain_session.chain.advance_to(community.start_of(number))
    missed, done = _Missed("no forecast"), 0
    with traced(community.config.tracing, "wattproof-one-machine"):
        for home, figures in forecast_day(community, chain_session, number, trained, missed):
            console.print(f"{home.name}: {_cost(figures)}, registered")
            done += 1
    console.print(
        f"Day {number}: {done} of {len(community.homes)} homes have a registered forecast, with round {trained.round}"
    )
    _show_total(community, number)
    if missed.homes:
        raise typer.Exit(INCOMPLETE)


def _show_total(community: LocalCommunity, day: int) -> None:
    from api.one_machine.totals import open_total
    from api.operator.calibrated import past_days
    from api.protocol.calibration import NotCalibrated, calibrated
    from data.errors import DataError

    try:
        total = open_total(community, day)
    except DataError as why:
        console.print(f"[yellow]Note:[/] {escape(str(why))}")
        return
    console.print(f"Community forecast (kWh): {_kwh(total.means)}")
    _open_measured(community, before=day)
    try:
        result = calibrated(past_days(community, day), day, total.means, community.shape.horizon)
        console.print(f"Calibrated (kWh): {_kwh(result.values)}")
    except NotCalibrated as why:
        console.print(f"Not calibrated: {why}.")


def _open_measured(community: LocalCommunity, before: int) -> None:
    """Open the missing measured totals of past days; a day that cannot have one is reported."""
    from api.one_machine.totals import open_missing_measured

    for day, opened in open_missing_measured(community, before).items():
        if isinstance(opened, str):
            console.print(f"[yellow]Note:[/] day {day} has no measured total: {escape(opened)}")
        else:
            console.print(f"Community measured on day {day} (kWh): {_kwh(opened.values)}")


def _kwh(values: Sequence[int]) -> str:
    return " ".join(f"{v / 1000:.1f}" for v in values)


def prove(
    home: HomeArgument,
    day: DayArgument,
    out: Annotated[Path, typer.Option(help="bundle to write")],
    config: ConfigOption = CONFIG,
) -> None:
    """Make one home's proof for a day and write it as a bundle, without registering it."""
    from api.config.community_yaml import load
    from api.gateway.agent import prove_on_gateway
    from data.atomic import write_bytes
    from data.day import DayClock

    settings = load(config)
    number = day.number(DayClock(settings.data.day_start_utc))
    bundle, figures = prove_on_gateway(settings, home, number) or _prove_in_community(settings, home, number)
    write_bytes(out, bundle)
    console.print(f"{home}: {_cost(figures)}, {len(bundle)} bytes written to {out}")


def _cost(figures: ProofFigures | None) -> str:
    return "proven before" if figures is None else f"proven in {figures.prove_s:.2f} s"


def _prove_in_community(settings: Config, name: str, day: int) -> tuple[bytes, ProofFigures | None]:
    from api.one_machine.community import LocalCommunity
    from api.one_machine.day import prove_day
    from api.one_machine.days import model_of_day
    from api.operator.chain_session import open_chain_session
    from api.protocol.bundle import encode
    from data.errors import DataError

    community = LocalCommunity(settings)
    homes = [home for home in community.homes if home.name == name]
    if not homes:
        raise DataError(f"there is no home {name!r} in the community")
    trained = model_of_day(community, open_chain_session(community, day), day)
    ((_, bundle, figures),) = prove_day(community, day, trained, homes)
    return encode(bundle), figures


def peak(home: HomeArgument, day: NewestDayArgument = None, config: ConfigOption = CONFIG) -> None:
    """Show how high a home's peak is expected to be on a day: low, middle or high among its own past peaks.

    By default the day after its readings end. Requires a one-shot training.
    """
    from api.config.community_yaml import load
    from api.gateway.peak import expected_peak, peak_head
    from api.gateway.prover import open_household
    from data.errors import DataError

    settings = load(config)
    head = peak_head(settings.api)
    if head is None:
        raise DataError("there are no peak classes here yet: they come with a one-shot training")
    horizon = settings.forecasting.model.horizon_days
    opened = open_household(settings.data, settings.community, settings.api.homes_dir, home, horizon)
    wanted = opened.due_day() if day is None else day.number(opened.clock)
    expected = expected_peak(opened, head, wanted)
    if expected is None:
        raise DataError(f"{home} has no complete week of readings before day {wanted}")
    chances = ", ".join(f"{name} {p:.0%}" for name, p in expected.by_class.items())
    console.print(f"Day {wanted}: a {expected.expected} peak is the most likely ({chances})")
    console.print(
        f"For {home}, low is up to {expected.lower_wh} Wh in an hour, high is above {expected.upper_wh} Wh."
    )


def claim(day: NewestDayArgument = None, config: ConfigOption = CONFIG) -> None:
    """After a day: prove each home's skill, claim its reward, and open the community's measured total. Days whose
    claims are closed by now, two weeks after their end, are paid.

    A home that cannot claim is reported with the reason, and the others proceed. Exit codes: 0 every home has claimed
    or has nothing to claim; 4 at least one could not claim; 1 the day cannot be claimed; 2 wrong command line.
    """
    from api.config.traced import traced
    from api.one_machine.days import claim_day
    from api.operator.chain_session import open_chain_session

    community, number = _community_on(config, day, over=True)
    missed = _Missed("no claim")
    chain_session = open_chain_session(community)
    with traced(community.config.tracing, "wattproof-one-machine"):
        for home, claimed in claim_day(community, chain_session, number, missed):
            if claimed is None:
                console.print(f"{home.name}: no better than the benchmarks, nothing to claim")
            elif claimed.before:
                console.print(f"{home.name}: already claimed, {claimed.buckets} x 100 Wh{_green(claimed.green)}")
            else:
                green = _green(claimed.green)
                console.print(f"{home.name}: {claimed.buckets} x 100 Wh of error avoided{green}, claimed")
    _pay_closed_days(community, chain_session)
    _open_measured(community, before=number + 1)
    if missed.homes:
        raise typer.Exit(INCOMPLETE)


def _green(percent: int | None) -> str:
    return "" if percent is None else f", {percent} % of the load green"


def _pay_closed_days(community: LocalCommunity, chain_session: ChainSession) -> None:
    from api.operator.chain_session import days_to_pay, pay_claimed_day
    from api.operator.green_shares import green_days_to_pay, pay_claimed_green

    for day in days_to_pay(community, chain_session):
        paid = pay_claimed_day(community, chain_session, day)
        console.print(f"Day {day} is paid: {sum(paid.values()) / 10**18:.1f} tokens to {len(paid)} households")
    for day in green_days_to_pay(community, chain_session):
        paid = pay_claimed_green(community, chain_session, day)
        tokens = f"{sum(paid.values()) / 10**18:.1f} tokens to {len(paid)} households"
        console.print(f"Green shares of day {day} are paid: {tokens}")


def _community_on(path: Path, named: DayName | None, *, over: bool) -> tuple[LocalCommunity, int]:
    """The community and the day in question: by default the newest that can be forecast, or that is `over`."""
    from api.cli.served import settings_with_homes
    from api.one_machine.community import LocalCommunity

    community = LocalCommunity(settings_with_homes(path))
    clock = community.clock
    if (named is None or named.is_relative) and _clock_stands(community):
        raise typer.BadParameter("name the day: the chain's clock is standing", param_hint="DAY")
    by_default = -1 if over else community.config.forecasting.model.horizon_days - 1
    day = (
        clock.day_of(datetime.fromtimestamp(time.time(), UTC)) + by_default if named is None else named.number(clock)
    )
    if named is None or named.needs_clock:
        until = clock.start_of(day + 1)
        console.print(f"Day {day}, from {clock.start_of(day):%Y-%m-%d %H:%M} UTC to {until:%Y-%m-%d %H:%M}")
    return community, day


def _clock_stands(community: LocalCommunity) -> bool:
    """Whether the chain's clock is standing, so that there is no newest day."""
    return community.config.rewards.rpc_url is None and community.config.rewards.clock == "standing"
