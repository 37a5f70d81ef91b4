"""`wattproof surplus` and `wattproof audit-surplus`: the hours of a day in which a community has energy to spare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from api.cli.arguments import JsonOption, NewestDayArgument
from api.cli.day_names import DayName
from api.cli.terminal import INCOMPLETE, console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.audit.surplus import MeterAt, ModelOf
    from api.config.community_yaml import Config
    from api.gateway.home import Home
    from api.one_machine.community import LocalCommunity
    from api.operator.trained_model import TrainedModel
    from api.protocol.schemas import SurplusHours
    from data.quantity import Quantity

DEMO = Path("out/surplus")
_DEMO_DAYS_INTO_TEST = 10
_WH_PER_KWH, _DAY_S = 1000, 86_400


def surplus(
    day: NewestDayArgument = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="the community's settings; the demo homes with their PV, if not given"),
    ] = None,
) -> None:
    """Forecast load and export of a day for every home here, prove each, and show the hours of surplus.

    A model of export is trained first where there is none (the demo's of load, too). With --config, forecasts of load
    are those of `wattproof forecast`, which registers them: run it before. Writes surplus.json (for whoever audits)
    and a picture, light and dark, to surplus/DAY in the state folder, and each home's copy for its own page. Exit
    codes: 0 every home has its forecasts; 4 at least one has none; 1 the hours are not known; 2 wrong command line.
    """
    from api.config.logs import leave_screen
    from api.one_machine import surplus as of_one_machine
    from api.one_machine.community import LocalCommunity
    from api.protocol.surplus import shown
    from data.quantity import QUANTITIES

    community = LocalCommunity(_demo() if config is None else _load(config))
    leave_screen(console, community.folder)
    number = _number(community, day, is_demo=config is None)
    models = _models(community, QUANTITIES if config is None else ("export",))
    if config is not None:
        publish_export(community, models["export"])
    missed = _Missed()
    with _bar() as bar:
        task = bar.add_task("Forecasts of load and export, proven", total=None)
        found = of_one_machine.surplus_day(
            community, number, models, missed, lambda _home, _quantity, _figures: bar.advance(task)
        )
    of_one_machine.keep(community, found)
    _tell(shown(found, community.clock), community)
    folder = community.config.api.surplus_dir / str(number)
    console.print(f"Written to {folder}: check it with `wattproof audit-surplus {folder}/surplus.json`.")
    if missed.homes:
        raise typer.Exit(INCOMPLETE)


class _Missed:
    """Reports a home without a forecast, and keeps count."""

    def __init__(self) -> None:
        self.homes = set[str]()

    def __call__(self, home: Home, why: Exception) -> None:
        self.homes.add(home.name)
        console.print(f"[yellow]{home.name}: no forecast:[/] {escape(str(why))}", highlight=False)


def _demo() -> Config:
    from api.config.demo_settings import demo_config

    demo = demo_config(DEMO, None)
    return demo.model_copy(update={"data": demo.data.model_copy(update={"pv": True})})


def _load(config: Path) -> Config:
    from api.cli.served import settings_with_homes

    return settings_with_homes(config)


def _number(community: LocalCommunity, day: DayName | None, *, is_demo: bool) -> int:
    """The day: of the demo one of the test days, else by default the day after the readings end."""
    from api.one_machine.training import split_of

    if day is not None:
        return day.number(community.clock)
    if is_demo:
        return split_of(community).test_start + _DEMO_DAYS_INTO_TEST
    return min(community.opened(home).due_day() for home in community.homes)


def _models(community: LocalCommunity, quantities: Sequence[Quantity]) -> dict[Quantity, TrainedModel]:
    """The last round of each quantity, trained here where there is none."""
    from api.operator.trained_model import latest_model, rounds_of

    models: dict[Quantity, TrainedModel] = {}
    for quantity in quantities:
        community.readings_of(quantity)  # what the table lacks is said before anything is trained
    for quantity in quantities:
        if rounds_of(community, quantity).latest() is not None:
            models[quantity] = latest_model(community, quantity)
            continue
        models[quantity] = _trained(community, quantity)
    return models


def publish_export(community: LocalCommunity, trained: TrainedModel) -> None:
    """Put the digest of the model of export on the chain, unless another process holds it or its clock stands."""
    from api.operator.export_models import publish_export_model
    from rewards.errors import ChainBusy

    rewards = community.config.rewards
    if rewards.rpc_url is None and rewards.clock == "standing":
        console.print("The chain's clock is standing: the model of export is not published.")
        return
    try:
        chain = community.open_chain()
    except ChainBusy as busy:
        console.print(f"[yellow]The model of export is not published:[/] {escape(str(busy))}")
        return
    try:
        address = publish_export_model(community, chain, trained.round, trained.digest)
    finally:
        chain.close()
    console.print(f"The model of export, round {trained.round}, is in the registry {address}.", highlight=False)


def _trained(community: LocalCommunity, quantity: Quantity) -> TrainedModel:
    from api.one_machine import training

    rounds = community.config.federation.of(quantity).rounds
    with _bar() as bar:
        task = bar.add_task(f"Federated training of {quantity}, rounds", total=rounds)
        return training.train(
            community, lambda done, _total, _loss: bar.update(task, completed=done), quantity=quantity
        )


def _bar() -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    return Progress(*columns, console=console)


def _tell(day: SurplusHours, community: LocalCommunity) -> None:
    """The day's hours in a table."""
    table = Table(
        title=f"Surplus hours of {day.date:%A, %d %B %Y}: {day.exporting_homes} of {day.homes} homes feed in",
        caption=f"local time, {community.clock.zone}; sums of proven forecasts",
    )
    for head in ("hour", "load, kWh", "export, kWh", "surplus, kWh"):
        table.add_column(head, justify="right")
    for hour, (taken, fed_in) in enumerate(zip(day.load_wh, day.export_wh, strict=True)):
        left = f"{(fed_in - taken) / _WH_PER_KWH:.1f}" if hour in day.hours else ""
        table.add_row(
            f"{hour:02d}:00", f"{taken / _WH_PER_KWH:.1f}", f"{fed_in / _WH_PER_KWH:.1f}", left,
            style="bold green" if hour in day.hours else None,
        )  # fmt: skip
    console.print(table)
    best = ", ".join(f"{hour:02d}:00" for hour in day.best_hours[:3])
    console.print(f"Best hours: {best}." if best else "No hour has a surplus: more is taken than fed in all day.")


def audit_surplus(
    file: Annotated[Path, typer.Argument(help="surplus.json, as `surplus` writes it and the API serves it")],
    rpc_url: Annotated[str | None, typer.Option(help="your own node of the chain, for meters and models")] = None,
    contracts: Annotated[Path | None, typer.Option(help="the contracts' addresses (contracts.json)")] = None,
    export_models: Annotated[
        Path | None, typer.Option(help="where models of export are published (export-model-registry.json)")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a day's surplus hours from their file, without trusting anybody: signatures, every proof, both sums.

    Exit codes: 0 everything holds; 3 a check failed; 1 the audit could not be made; 2 wrong command line.
    """
    from api.audit.surplus import audit_surplus as audited
    from api.cli.check_json import audit_file

    if (rpc_url is None) != (contracts is None) or (export_models is not None and contracts is None):
        raise typer.BadParameter("--rpc-url goes with --contracts: a node, and where the contracts are on it")
    known = (None, None) if rpc_url is None or contracts is None else _registries(rpc_url, contracts, export_models)
    made = audited(file.read_bytes(), *known)
    raise typer.Exit(audit_file(console, made, "The hours hold.", "The hours do NOT hold.", as_json=as_json))


def _registries(rpc_url: str, contracts: Path, export_models: Path | None) -> tuple[MeterAt, ModelOf]:
    """What the chain knows of meters and models."""
    from api.audit.source import ChainRegistries
    from api.audit.surplus import PublishedModel
    from api.operator.export_models import export_models_at, registry_address
    from rewards.chain import Chain
    from rewards.deploy import Addresses, Contracts

    chain = Chain.at(rpc_url)
    of = Contracts.of(chain, Addresses.read(contracts))
    registries = {"load": of.model_registry}
    if export_models is not None:
        registries["export"] = export_models_at(chain, registry_address(export_models))
    offset = int(of.forecast_registry.functions.DAY_OFFSET().call())

    def model_of(quantity: Quantity, number: int, day: int) -> PublishedModel | None:
        registry = registries.get(quantity)
        if registry is None:
            return None
        digest = bytes(registry.functions.digest_of(number).call())
        start = day * _DAY_S + offset
        return PublishedModel(digest, bool(registry.functions.published_before(number, start).call()))

    return ChainRegistries(of).meter_at, model_of
