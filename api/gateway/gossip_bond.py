"""A household's bond in a training without a server: deposited after what can be checked is, and paid back.

The registry decides when a member loses its bond, and its address comes from the operator. So it is held against the
household's own settings before anything is paid: one second to reveal, say, would cost everybody theirs.
"""

from __future__ import annotations

from api.config.community_yaml import Config, ConfigError
from api.gateway.client import ApiClient
from api.gateway.membership import NotInvited, open_membership
from api.gateway.trust_on_first_use import OtherChain
from api.protocol.bounded_client import ApiRefused, Unreachable
from fl.errors import FederationError
from rewards.gossip_client import GossipClient
from rewards.rpc_account import CallRefused

_COIN = 10**18


def check_registry(config: Config, client: GossipClient) -> None:
    """Raises ConfigError for a registry of other terms than the settings', NodeUnreachable."""
    gossip, gateway = config.federation.gossip, config.gateway
    numbers = {
        "gossip.bond": (round(gossip.bond * _COIN), "BOND"),
        "gossip.challenge_deposit": (round(gossip.challenge_deposit * _COIN), "DEPOSIT"),
        "gossip.publish_s": (gossip.publish_s, "PUBLISH_S"),
        "gossip.reveal_s": (gossip.reveal_s, "REVEAL_S"),
        "gossip.leader_s": (gossip.leader_s, "LEADER_S"),
        "gossip.challenge_s": (gossip.challenge_s, "CHALLENGE_S"),
        "federation.min_homes": (max(2, config.federation.min_homes), "FEWEST"),
    }
    found = {name: (own, client.number(constant)) for name, (own, constant) in numbers.items()}
    odd = [f"{name} is {own} here and {on} there" for name, (own, on) in found.items() if own != on]
    if client.word("COMMUNITY") != config.community.identifier:
        odd.append(f"community.name is {config.community.name!r} here and another there")
    if client.households().lower() != str(gateway.forecast_registry).lower():
        odd.append(f"gateway.forecast_registry is {gateway.forecast_registry} here and {client.households()} there")
    if odd:
        raise ConfigError(
            f"the registry at {client.registry} is not of these settings: {'; '.join(odd)}. Ask the operator which "
            "are right; the household takes part in no training under other terms"
        )


def join_training(config: Config, home: str, client: GossipClient) -> None:
    """Deposit the bond, and enrol the household first where it is not yet: an agent does so with its first forecast,
    for which there has to be a model.

    Raises ConfigError, FederationError with what to do, NodeUnreachable; then nothing was paid.
    """
    check_registry(config, client)
    if (epoch := client.state()[0]) >= (last := client.number("EPOCHS")):
        raise FederationError(
            f"the training is in epoch {epoch} of {last}: there is none left that a new member would take part in"
        )
    if not client.is_household():
        _enrol(config, home)
        if not client.is_household():
            raise FederationError("the household is enrolled, and its own node has not seen that: join again later")
    if client.has_joined():
        raise FederationError(
            f"{client.account.address} has joined this training before, and a household joins once. If its bond was "
            "not lost or paid back, it is a member: run the agent"
        )
    try:
        client.join()
    except CallRefused as refused:
        raise FederationError(f"not joined: {refused}") from None


def _enrol(config: Config, home: str) -> None:
    """By the household's signature, which the community's server passes on. Raises FederationError."""
    if config.gateway.api_url is None:
        raise FederationError(
            "the household is not enrolled on the chain, and gateway.api_url does not name the community's server, "
            "which would pass its enrolment on: set it"
        )
    line = ApiClient(config.gateway.api_url)
    try:
        open_membership(config, home, line).join()
    except (NotInvited, OtherChain, ApiRefused, Unreachable) as why:
        raise FederationError(f"the household is not enrolled on the chain, so it can't join: {why}") from why
    finally:
        line.close()


def withdraw_bond(config: Config, client: GossipClient) -> None:
    """Get the bond back. Raises FederationError with what to do, NodeUnreachable."""
    gossip = config.federation.gossip
    advice = {
        "too early": f"bonds are paid back {gossip.publish_s + 2 * gossip.challenge_s} s after the seed of the last "
        "epoch, once its merge is accepted. Keep the agent running, and try again then",
        "challenge open": "somebody asks for a block of this household: keep the agent running, which answers",
        "not a member": "the household has no bond in this registry: it never joined, was paid back, or lost it",
    }
    try:
        client.withdraw()
    except CallRefused as refused:
        reason = str(refused)
        known = next((text for words, text in advice.items() if words in reason), "")
        raise FederationError(f"not paid back: {reason}{'; ' if known else ''}{known}") from None
