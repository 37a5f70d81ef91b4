"""The household agent on the gateway: a Flower SuperNode with the home's ClientApp, and the home's own daily task."""

from __future__ import annotations

import logging
import math
import signal
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric import ec
from flwr.app import Context, Error, Message, RecordDict
from flwr.app.user_config import UserConfig
from flwr.clientapp import ClientApp
from flwr.clientapp.typing import Mod
from flwr.common.constant import ErrorCode

from fl.client_app import ExportSide, Keep, KeepPeaks, Learner, make_client_app
from fl.deployment.background import repeated
from fl.deployment.certificates import LOOK_EVERY_S, Certificates
from fl.deployment.fleet_client import ConnectionDown, FleetClient, MessageRefused, NotRegistered
from fl.deployment.flower_logs import join_flower_logs
from fl.deployment.keys import KeyFolder, load_agent_key, load_authority
from fl.deployment.outage import Outage
from fl.deployment.settings import DeploymentSettings
from fl.deployment.telemetry import AgentMetrics
from fl.dp.budget import HomeLedger
from fl.errors import FederationError

_log = logging.getLogger(__name__)
_Answer = TypeVar("_Answer")
DailyTask = Callable[[AgentMetrics], None]
"""What the gateway does besides training, every `task_interval_s`: forecast and prove (`api.gateway.agent`)."""

Ready = Callable[[AgentMetrics, threading.Event], None]


def run_agent(
    settings: DeploymentSettings,
    learner: Learner,
    *,
    mods: Sequence[Mod],
    keep: Keep = lambda number, weights: None,
    keep_peaks: KeepPeaks = lambda arrays: None,
    export: ExportSide | None = None,
    daily_task: DailyTask = lambda metrics: None,
    ready: Ready = lambda metrics, stop: None,
    metrics: AgentMetrics | None = None,
    ledger: HomeLedger | None = None,
    stop: threading.Event | None = None,
) -> None:
    """Serve the home's share of every training until `stop` is set (by default: SIGTERM or SIGINT).

    The agent waits for an unreachable coordinator, and registers again with one that has restarted.

    Args:
        learner: the home and its data; only what `client_app` sends leaves it.
        mods: what the home protects itself with (`client_mods.home_mods`).
        keep, keep_peaks: what to do with the community's model, and with its head of the peak classes, when they are
            handed out.
        export: the home's training for forecasts of export, if it takes part in it.
        daily_task: called repeatedly in a separate thread; what it raises is logged, and it is called again.
        ready: waits until the home can train, before the agent connects; the daily task runs in the meantime.
        metrics: where to count; a fresh set, served on `agent_metrics_port` if that is set.
        ledger: the privacy ledger that the mods write; its figures are among the metrics.

    Raises KeysError if the home's key or the community's certificate is not in `keys_dir`.
    """
    join_flower_logs()
    stop = stop or stop_on_signals()
    metrics = metrics or AgentMetrics(learner.home)
    if ledger is not None:
        metrics.follow_privacy(ledger)
    authority = None if settings.insecure else load_authority(settings.keys_dir)
    key = (
        ec.generate_private_key(ec.SECP384R1())
        if settings.insecure
        else load_agent_key(KeyFolder(settings.keys_dir).agent_key(learner.home))
    )
    client = FleetClient(
        f"{settings.host}:{settings.port}", key, authority, settings.heartbeat_s, stop, settings.retry_max_s
    )
    app = make_client_app(lambda context: learner, mods, keep, keep_peaks, export)
    on_task = repeated(partial(daily_task, metrics), settings.task_interval_s, stop, name="daily task", log=_log)
    metrics.follow_connection(client)
    certificates = Certificates({} if settings.insecure else {"authority": KeyFolder(settings.keys_dir).authority})
    metrics.follow_certificates(certificates)
    warnings = repeated(certificates.warn, LOOK_EVERY_S, stop, name="certificates", log=_log)
    with metrics.serve(settings.agent_metrics_port), warnings, on_task:
        try:
            ready(metrics, stop)
            while not stop.is_set() and client.connect():
                _log.info("agent ready", extra={"home": learner.home, "node": client.node_id})
                _serve(client, app, metrics, settings.poll_s, stop)
        finally:
            stop.set()
            client.close()


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set. Call it from the main thread."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _serve(client: FleetClient, app: ClientApp, metrics: AgentMetrics, poll_s: float, stop: threading.Event) -> None:
    """Answer messages until the agent is stopped or the coordinator no longer knows it."""
    state = RecordDict()  # what the app keeps between messages, secure aggregation's secrets for one; in memory only
    while not stop.is_set():
        try:
            message = _patiently(client.receive, client.outage, stop)
            if message is None:
                stop.wait(poll_s)
                continue
            started = time.monotonic()
            reply = _answer(app, message, client.node_id, state)
            seconds = time.monotonic() - started
            metrics.answered(message, reply, seconds)
            _patiently(
                partial(client.send, reply, seconds), client.outage, stop, until=started + message.metadata.ttl
            )
            metrics.carried(client.bytes_in, client.bytes_out)
        except MessageRefused as refused:
            _log.warning("message given up", extra={"reason": str(refused)})
            stop.wait(poll_s)
        except NotRegistered as gone:
            _log.warning("the coordinator no longer knows this agent", extra={"reason": str(gone)})
            return


def _patiently(
    call: Callable[[], _Answer], outage: Outage, stop: threading.Event, until: float = math.inf
) -> _Answer | None:
    """`call`, repeated while the connection is down. None if stopped, MessageRefused once `until` has passed."""
    while not stop.is_set():
        try:
            answer = call()
        except ConnectionDown as down:
            if time.monotonic() > until:
                raise MessageRefused(f"its time is up: {down}") from down
            stop.wait(outage.failed(str(down)))
        else:
            outage.over()
            return answer
    return None


def _answer(app: ClientApp, message: Message, node_id: int, state: RecordDict) -> Message:
    context = Context(
        run_id=message.metadata.run_id,
        node_id=node_id,
        node_config=UserConfig(),
        state=state,
        run_config=UserConfig(),
    )
    try:
        return app(message=message, context=context)
    except FederationError as refused:  # a refusal by the home, in its own words
        why = {"type": message.metadata.message_type, "reason": str(refused)}
        _log.warning("message not answered", extra=why)
        return Message(_error(refused), reply_to=message)
    except Exception as problem:  # noqa: BLE001 - whatever fails here fails this message, not the agent
        # The text of an exception may quote the home's data: it stays here; the coordinator gets its type.
        _log.exception("message failed", extra={"type": message.metadata.message_type})
        return Message(_error(problem), reply_to=message)


def _error(problem: Exception) -> Error:
    return Error(code=ErrorCode.CLIENT_APP_RAISED_EXCEPTION, reason=type(problem).__name__)
