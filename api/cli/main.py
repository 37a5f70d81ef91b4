"""`wattproof`: the command line, one command for each thing a person does.

Errors are one line that says what is wrong and what to do; exit codes are those of `api.cli.terminal`.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from api.cli import (
    backup_commands,
    challenge_commands,
    community_commands,
    green_commands,
    membership_commands,
    meter_commands,
    operator_commands,
    report_commands,
    settle_commands,
    setup_commands,
    surplus_commands,
    terminal,
)
from api.cli.arguments import (
    CONFIG,
    BundleArgument,
    ConfigOption,
    DayArgument,
    HomeArgument,
    HomesOption,
    JsonOption,
    ServedConfigOption,
    community_named,
)
from api.cli.data_commands import data_app
from api.cli.gossip_commands import gossip_app
from api.cli.replay_commands import replay_app
from api.cli.source_commands import source_app
from api.cli.terminal import Marks, console
from api.cli.vertical_commands import vertical_app

if TYPE_CHECKING:
    from api.config.community_yaml import Config
    from api.one_machine.community import LocalCommunity

os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # homes and proofs run in parallel, one core each

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they print local variables: readings, keys, passwords
)
app.add_typer(data_app, name="data")
app.add_typer(source_app, name="source")
app.add_typer(gossip_app, name="gossip")
app.add_typer(replay_app, name="replay")
app.add_typer(vertical_app, name="vertical")


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=terminal.tell_version, is_eager=True, help="print the version and exit"),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="log warnings and errors only")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="log more")] = False,
) -> None:
    """Day-ahead load forecasts for an energy community: trained jointly, proven in zero knowledge, rewarded on chain.

    Exit codes: 0 done; 1 it could not be done; 2 wrong command line; 3 something that was checked is invalid; 4
    something is missing.
    """
    if quiet or verbose:
        logging.getLogger().setLevel("WARNING" if quiet else "DEBUG")


for command in (
    community_commands.train, community_commands.forecast, community_commands.prove, community_commands.peak,
):  # fmt: skip
    app.command()(command)


@app.command()
def verify(
    files: Annotated[list[Path], typer.Argument(help="bundles, as written by the API or `prove`")],
    community: Annotated[str | None, typer.Option(help="name of the community they must be bound to")] = None,
    check_setup: Annotated[bool, typer.Option(help="also check the ceremony's 4096 powers by pairing")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check bundles' signatures and proofs without trusting anybody.

    For a single bundle, explain in plain words what it proves. Several are checked in one batch, and invalid ones are
    named. Exit codes: 0 all are valid; 3 at least one is invalid or not a bundle; 1 none is invalid, but a file could
    not be read; 2 wrong command line.
    """
    from api.cli import check_json, check_report
    from zkp.algebra.srs import load_setup

    if check_setup:
        load_setup().check_powers()
        if not as_json:
            console.print(f"{Marks.of(console).held} The ceremony's 4096 powers are those of one secret number.")
    named = None if community is None else community_named(community)
    if as_json:
        raise typer.Exit(check_json.verify_json(files, named))
    if len(files) == 1:
        raise typer.Exit(check_report.verify_one(console, files[0], named))
    raise typer.Exit(check_report.verify_many(console, files, named))


@app.command()
def audit(
    day: DayArgument,
    server: Annotated[str, typer.Option(help="the community's server")] = "http://127.0.0.1:8000",
    community: Annotated[str | None, typer.Option(help="its name; by default as the server says")] = None,
    rpc_url: Annotated[str | None, typer.Option(help="your own chain node, to read the registries")] = None,
    contracts: Annotated[Path | None, typer.Option(help="the contracts' addresses (contracts.json)")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a whole day without trusting the server: all proofs, paid claims, totals, the calibrated forecast.

    With a node, the chain is also searched for what the server leaves out. Exit codes: 0 everything holds; 3 a check
    failed; 4 no check failed, but records are missing; 1 the audit could not be completed; 2 wrong command line.
    """
    from api.audit.source import ChainRegistries, clock_of, community_of, from_server
    from api.cli import check_json, check_report
    from rewards.chain import Chain
    from rewards.deploy import Addresses, Contracts

    if (rpc_url is None) != (contracts is None):
        raise typer.BadParameter(
            "--rpc-url and --contracts go together: a node, and the contracts' addresses on its chain"
        )
    fetch, registries, before = from_server(server), None, []
    named = community_named(community_of(fetch) if community is None else community)
    number = day.meant if isinstance(day.meant, int) else day.number(clock_of(fetch))
    if rpc_url is not None and contracts is not None:
        chain = Chain.at(rpc_url)
        known = Contracts.of(chain, Addresses.read(contracts))
        quiet = Console(quiet=True) if as_json else console
        before = [check_report.audit_contracts(quiet, chain, known, named.identifier)]
        registries = ChainRegistries(known)
    if as_json:
        raise typer.Exit(check_json.audit_json(fetch, number, named.name, registries, before))
    shown = f"{number} ({day.text})" if day.text != str(number) else str(number)
    console.print(f"Day {shown} of {named.name!r}", markup=False, highlight=False)
    raise typer.Exit(check_report.audit_day(console, fetch, number, named.name, registries, before))


@app.command()
def show(file: BundleArgument) -> None:
    """Print a bundle as readable JSON: the claim in words, its public part, every message of the proof by name."""
    import json

    from api.protocol.bundle import parse
    from api.protocol.explained import shown

    typer.echo(json.dumps(shown(parse(file.read_bytes())), indent=2))


app.command()(community_commands.claim)
app.command()(report_commands.report)
app.command()(report_commands.page)
app.command()(setup_commands.init)
app.command()(setup_commands.doctor)
app.command()(setup_commands.status)
app.command()(setup_commands.days)
app.command()(backup_commands.backup)
app.command()(backup_commands.restore)
app.command()(settle_commands.settle)
app.command("audit-settlement")(settle_commands.audit_settlement)
app.command()(surplus_commands.surplus)
app.command("green-hours")(green_commands.green_hours)
app.command("audit-surplus")(surplus_commands.audit_surplus)
app.command()(meter_commands.identity)
app.command("replace-meter")(meter_commands.replace_meter)
app.command("renew-operator")(operator_commands.renew_operator)
app.command()(membership_commands.leave)
app.command()(membership_commands.rejoin)
app.command()(challenge_commands.challenge)


@app.command()
def keys(
    config: ConfigOption = CONFIG,
    home: HomesOption = None,
    host: Annotated[list[str] | None, typer.Option(help="an additional name or address of the coordinator")] = None,
    gateway: Annotated[
        bool,
        typer.Option(
            "--gateway", help="only the home's own key pair, made on its gateway; send the .pub to the coordinator"
        ),
    ] = False,
    renew: Annotated[
        bool,
        typer.Option(
            "--renew",
            help="renew the certificates for five years, with the same keys and names; with --gateway: a new pair",
        ),
    ] = False,
) -> None:
    """Create the keys and certificates of a deployed federation; only --renew overwrites existing files."""
    from api.config.community_yaml import load
    from fl.deployment.keys import make_agent_key, make_keys, renew_agent_key, renew_certificates

    settings = load(config)
    deployment = settings.federation.deployment
    if renew and gateway:
        if not home:
            raise typer.BadParameter("name the home whose key pair is replaced", param_hint="--home")
        written = "\n".join(str(path) for name in home for path in renew_agent_key(deployment.keys_dir, name))
        console.print(f"{written}\nGive the .pub to the coordinator, then restart the agent (docs/keys.md).")
        return
    if renew:
        written = "\n".join(str(path) for path in renew_certificates(deployment.keys_dir))
        console.print(f"{written}\nRestart the coordinator, and give authority.pem to every gateway.")
        return
    names = home or _homes_of(settings)
    if gateway:
        made = [path for name in names for path in make_agent_key(deployment.keys_dir, name)]
    else:
        made = make_keys(deployment.keys_dir, [deployment.host, *(host or [])], names)
    console.print("\n".join(str(p) for p in made) or "All keys already exist.")


@app.command()
def migrate(config: ConfigOption = CONFIG) -> None:
    """Migrate the state of an older release: its model becomes a new round, its contracts are set aside.

    Claim open days with that release first. Proofs and totals of its days stay as they are.
    """
    from api.operator.migration import migrate as take_over

    for sentence in take_over(_community(config)) or ["There is nothing to do."]:
        console.print(sentence)


@app.command()
def roster(
    config: ConfigOption = CONFIG,
    make: Annotated[
        bool, typer.Option("--make", help="on the coordinator: create it from keys/agents/*.pub, to be distributed")
    ] = False,
) -> None:
    """Show or create the roster: the homes, with their keys, that agents sum updates and totals with.

    Every home compares the fingerprint with homes it knows, not with the coordinator.
    """
    from api.config.community_yaml import ConfigError, load
    from fl.deployment.keys import roster_of_agents
    from fl.secagg.roster import Roster

    settings = load(config)
    path = settings.federation.secure_aggregation.roster or settings.gateway.roster
    if path is None:
        raise ConfigError(
            f"{config}: neither gateway.roster nor federation.secure_aggregation.roster names a file; "
            "set one, e.g. to roster.json"
        )
    if make:
        roster_of_agents(settings.federation.deployment.keys_dir).write(path)
    known = Roster.read(path)
    console.print(f"{path}: {len(known.members)} homes: {', '.join(sorted(known.members))}")
    console.print(f"Fingerprint: [bold]{known.fingerprint}[/]. Compare it with the other homes'.")


def _homes_of(settings: Config) -> list[str]:
    """The homes in the readings; on a server those of the members. Raises ConfigError where neither names one."""
    from api.config.community_yaml import ConfigError
    from data.community import load_readings

    if settings.data.source != "none":
        return sorted(load_readings(settings.data)["unique_id"].astype(str).unique())
    if named := [member.home for member in settings.community.members if member.home is not None]:
        return named
    raise ConfigError(
        "for which homes? Name each, as in `wattproof keys --home elm-3 --home elm-5`: there are no readings here "
        "that would tell (data.source is none), and community.members names no home"
    )


@app.command()
def agent(home: HomeArgument, config: ConfigOption = CONFIG) -> None:
    """Run a household's agent on its gateway: it trains on request, forecasts and proves each day, and submits."""
    from api.config.community_yaml import load
    from api.gateway.agent import run_gateway

    run_gateway(load(config), home)


@app.command()
def coordinator(
    config: ConfigOption = CONFIG,
    one_shot: Annotated[
        bool,
        typer.Option(
            "--one-shot", help="no rounds: homes sum statistics of their days once, and the model follows from that"
        ),
    ] = False,
    join: Annotated[bool, typer.Option("--join", help="add homes that are in no one-shot sum yet")] = False,
    leave: Annotated[
        list[str] | None, typer.Option(help="remove this home's part from the one-shot sum; can be repeated")
    ] = None,
    stay: Annotated[
        bool, typer.Option("--stay", help="go on after the training, and hand its model to homes that come later")
    ] = False,
) -> None:
    """Run the coordinator: it runs training rounds with the agents and saves each with its commitment."""
    from api.config.community_yaml import ConfigError
    from api.config.traced import traced
    from api.http.connections import BoundedProtocol
    from api.operator import training
    from fl.deployment.coordinator import run_coordinator

    if one_shot + join + bool(leave) > 1:
        raise typer.BadParameter("use only one of --one-shot, --join and --leave")
    community = _community(config)
    if community.config.federation.topology == "gossip":
        raise ConfigError(f"{config}: federation.topology is gossip: there is no coordinator; see `wattproof gossip`")
    if one_shot or join or leave:
        app = training.one_shot_app(
            community, "join" if join else "leave" if leave else "all", leave or (), stay=stay
        )
    else:
        app = training.coordinator_app(community, stay=stay)
    with traced(community.config.tracing, "wattproof-coordinator"):
        run_coordinator(community.config.federation.deployment, app, BoundedProtocol)


@app.command()
def serve(
    config: ServedConfigOption = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="overrides the settings' api.port")] = None,
) -> None:
    """Serve the API and the page: community forecasts, proofs, claims."""
    from api.cli.served import settings_to_serve
    from api.http import listener

    chosen, name = settings_to_serve(config)
    console.print(f"Settings: {name} ({chosen.community.name}), state in {chosen.api.state_dir}", highlight=False)
    settings = chosen.api
    chosen_port = settings.port if port is None else port
    with listener.bound(settings.host, chosen_port) as bound:  # before anything slow, such as loading the rest
        from api.http.server import make_app
        from api.one_machine.community import LocalCommunity

        app = make_app(LocalCommunity(chosen))
        app.state.work.start()
        console.print(f"http://{settings.host}:{chosen_port} (docs at /docs); stop with Ctrl-C")
        listener.serve(app, bound)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="where everything is kept")] = Path("out/demo"),
    num_clients: Annotated[int | None, typer.Option(help="use only the first N homes (3 or more)")] = None,
) -> None:
    """One community day on 17 real homes, end to end: train, forecast, prove, register, score, reward."""
    from api.cli.demo import Demo
    from api.config.demo_settings import demo_config

    Demo(demo_config(folder, num_clients), console).run()


def _community(path: Path) -> LocalCommunity:
    from api.config.community_yaml import load
    from api.one_machine.community import LocalCommunity

    return LocalCommunity(load(path))


def main() -> None:
    """The console script; exit codes are handled by `api.cli.terminal`."""
    from api.config.logs import set_up

    set_up()
    terminal.run(app)


if __name__ == "__main__":
    main()
