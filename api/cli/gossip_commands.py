"""`wattproof gossip`: a training without a server, for its operator and for each household."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.arguments import CONFIG, ConfigOption, HomeArgument
from api.cli.terminal import console

if TYPE_CHECKING:
    from api.one_machine.community import LocalCommunity

gossip_app = typer.Typer(no_args_is_help=True, help="Train without a server: homes merge with each other.")


@gossip_app.command("deploy")
def deploy(config: ConfigOption = CONFIG) -> None:
    """On the operator's machine: put the registry of a new training on the chain, and print its address."""
    from api.config.community_yaml import ConfigError
    from api.operator.chain_session import open_chain_session
    from api.operator.gossip import deploy_training

    community = _community(config)
    if community.config.rewards.rpc_url is None:
        raise ConfigError(f"{config}: rewards.rpc_url names no chain node: peers need one that all of them can reach")
    chain_session = open_chain_session(community)
    address = deploy_training(community, chain_session)
    printed = {
        "federation.gossip.registry": address,
        "gateway.forecast_registry": chain_session.contracts.forecast_registry.address,
    }
    console.print("The registry of the training is on the chain. Every machine sets, and each gateway both:")
    for name, value in printed.items():
        console.print(f"  {name}: '{value}'", highlight=False, soft_wrap=True)


@gossip_app.command("keys")
def keys(
    name: Annotated[str, typer.Argument(help="the home, or `operator` for the machine that publishes the model")],
    host: Annotated[list[str], typer.Option(help="a name or address that other peers reach it by; several times")],
    config: ConfigOption = CONFIG,
) -> None:
    """Where the community's authority.key is: make a peer's TLS key and certificate, for its gateway and no other."""
    from api.config.community_yaml import load
    from fl.deployment.keys import make_peer_keys

    made = make_peer_keys(load(config).federation.deployment.keys_dir, name, host)
    console.print(f"{made.key}\n{made.certificate}\nHand both, and {made.authority}, to {name}.", highlight=False)


@gossip_app.command("join")
def join(home: HomeArgument, config: ConfigOption = CONFIG) -> None:
    """On a gateway: enrol the household, if need be, and deposit its bond. It takes part from the next epoch on."""
    from api.config.community_yaml import load
    from api.gateway.gossip_bond import join_training
    from api.gateway.gossip_peer import open_client

    settings = load(config)
    join_training(settings, home, open_client(settings, home))
    console.print(
        f"{home} has joined with a bond of {settings.federation.gossip.bond:g} coins. Keep `wattproof agent {home}` "
        "running until the bond is paid back."
    )


@gossip_app.command("withdraw")
def withdraw(home: HomeArgument, config: ConfigOption = CONFIG) -> None:
    """On a gateway: get the household's bond back, after the end of the training."""
    from api.config.community_yaml import load
    from api.gateway.gossip_bond import withdraw_bond
    from api.gateway.gossip_peer import open_client

    settings = load(config)
    withdraw_bond(settings, open_client(settings, home))
    console.print(f"The bond of {home} is paid back.")


@gossip_app.command("take")
def take(config: ConfigOption = CONFIG) -> None:
    """On the operator's machine: save the model that the peers have agreed to as a round, which `serve` publishes."""
    from api.operator.gossip import take_accepted

    number = take_accepted(_community(config), lambda done, total, loss: None)
    console.print(
        f"Round {number} is the training's model. A running server publishes it; else start `wattproof serve`."
    )


def _community(config: Path) -> LocalCommunity:
    from api.config.community_yaml import load
    from api.one_machine.community import LocalCommunity

    return LocalCommunity(load(config))
