"""The coordinator as a process: the link to the agents, and the ServerApp that trains over it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from flwr.app import Context, RecordDict
from flwr.app.user_config import UserConfig
from flwr.serverapp import Grid, ServerApp

from fl.deployment.background import repeated
from fl.deployment.certificates import LOOK_EVERY_S, Certificates
from fl.deployment.fleet_server import FleetServer
from fl.deployment.flower_logs import join_flower_logs
from fl.deployment.keys import check_coordinator, load_agent_list, read_agent_list, roster_of_agents
from fl.deployment.settings import DeploymentSettings
from fl.errors import KeysError
from fl.exchange import Identify, ask_names
from fl.secagg.roster import Roster
from fl.settings import FederationSettings

_AGENTS_EVERY_S = 5.0  # how soon a deleted or added key takes effect
_log = logging.getLogger(__name__)


def run_coordinator(
    settings: DeploymentSettings, app: ServerApp, protocol: type[asyncio.Protocol] | None = None
) -> None:
    """Serve the agents and run `app` (see `server_app.make_server_app`) to its end.

    A killed coordinator is restarted the same way: agents reconnect on their own and training resumes from the last
    saved round. `protocol`: see `FleetServer.serve`.

    Raises KeysError, or FederationError of the port or of the training.
    """
    join_flower_logs()
    agents = None if settings.insecure else load_agent_list(settings.keys_dir)
    keys = None if settings.insecure else check_coordinator(settings.keys_dir)
    if settings.insecure:
        _log.warning("no TLS and no authentication: any process on this machine can join or listen")
    server, stop = FleetServer(agents), threading.Event()
    certificate, key = (keys.coordinator, keys.coordinator_key) if keys else (None, None)
    with ExitStack() as running:
        running.enter_context(server.serve(settings.bind, settings.port, certificate, key, protocol))
        if keys is not None:
            warn, admit = Certificates.of(keys).warn, partial(_admit, server, settings.keys_dir)
            running.enter_context(repeated(warn, LOOK_EVERY_S, stop, name="certificates", log=_log))
            running.enter_context(repeated(admit, _AGENTS_EVERY_S, stop, name="list of agents", log=_log))
        grid = running.enter_context(server.run())
        _log.info(
            "coordinator ready",
            extra={
                "address": f"{settings.bind}:{settings.port}",
                "homes": len(agents or {}),
                "tls": keys is not None,
            },
        )
        context = Context(
            run_id=grid.run.run_id, node_id=0, node_config=UserConfig(), state=RecordDict(), run_config=UserConfig()
        )
        app(grid=grid, context=context)
    _log.info("training finished")


def _admit(server: FleetServer, keys_dir: Path) -> None:
    """Admit the homes that are listed now. An unreadable file changes nothing until it can be read."""
    try:
        added, removed = server.admit(read_agent_list(keys_dir))
    except (KeysError, OSError) as problem:
        _log.error("the list of agents cannot be read and stays unchanged", extra={"reason": str(problem)})
        return
    for home in removed:
        _log.warning("agent shut out", extra={"home": home})
    for home in added:
        _log.info("agent let in", extra={"home": home})


def identify_by_key(settings: DeploymentSettings) -> Identify:
    """How the coordinator names nodes: by the key they signed with, or by asking them if there are no keys."""
    return ask_names() if settings.insecure else _registered_names


def agents_roster(settings: FederationSettings) -> Callable[[], Mapping[str, bytes]] | None:
    """The identities of the homes that sum with each other, as they stand now; None without secure aggregation.

    Of the homes in `secure_aggregation.roster`, if the coordinator has the file that it gave to the homes; otherwise
    of all that may join. Raises KeysError, also when called.
    """
    secure = settings.secure_aggregation
    if not secure.enabled:
        return None

    def read() -> Mapping[str, bytes]:
        roster = Roster.read(secure.roster) if secure.roster else roster_of_agents(settings.deployment.keys_dir)
        return roster.members

    read()
    return read


def _registered_names(grid: Grid, nodes: Sequence[int]) -> dict[int, str]:
    wanted = set(nodes)
    return {node.node_id: node.name for node in grid.get_nodes() if node.node_id in wanted and node.name}
