"""Prometheus metrics of the coordinator and of an agent, served on loopback for the node's own scraper."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from flwr.app import Message, MessageType
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from fl.client_app import METRICS, PLAN
from fl.deployment.certificates import Certificates
from fl.deployment.fleet_client import FleetClient
from fl.dp.budget import HomeLedger
from fl.plan import quantity_of
from fl.store import RoundReport


class _Served:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.certificates = Gauge(
            "wattproof_certificate_days_left",
            "Days until a certificate expires; negative once it has",
            ["certificate"],
            registry=self.registry,
        )

    @contextmanager
    def serve(self, port: int | None) -> Iterator[None]:
        """Serve the metrics on 127.0.0.1:`port` while the block runs; with None, not at all."""
        if port is None:
            yield
            return
        server, thread = start_http_server(port, addr="127.0.0.1", registry=self.registry)
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def follow_certificates(self, certificates: Certificates) -> None:
        """Report how long each of them remains valid, at each scrape."""
        for name in certificates.paths:
            self.certificates.labels(name).set_function(partial(certificates.days_left, name))


class CoordinatorMetrics(_Served):
    """What the coordinator sees of the training; `saw` is called with each round's report."""

    def __init__(self) -> None:
        super().__init__()
        registry = self.registry
        self.round = Gauge("wattproof_round", "Last finished round", registry=registry)
        self.is_training = Gauge("wattproof_training", "1 while rounds are trained", registry=registry)
        self.retrainings = Gauge(
            "wattproof_retrainings",
            "Trainings after the first one, because the model no longer fitted",
            registry=registry,
        )
        self.drifting_since = Gauge(
            "wattproof_model_drifting_since_day",
            "Community day since which the forecasts lose ground to the naive one; 0 while they do not",
            registry=registry,
        )
        self.participants = Gauge(
            "wattproof_round_participants", "Homes whose update is in the last round", registry=registry
        )
        self.left_out = Gauge(
            "wattproof_round_left_out",
            "Homes asked in the last round without a usable answer",
            registry=registry,
        )
        self.train_loss = Gauge("wattproof_train_loss", "Mean training loss of the last round", registry=registry)
        self.validation_loss = Gauge(
            "wattproof_validation_loss",
            "Mean loss on held-out days, when last scored",
            registry=registry,
        )
        self.bytes = Counter(
            "wattproof_weights_bytes", "Payload of weights to and from homes", ["direction"], registry=registry
        )
        self.seconds = Histogram(
            "wattproof_round_seconds",
            "Duration of a round",
            buckets=(1, 3, 10, 30, 100, 300, 1000),
            registry=registry,
        )

    @contextmanager
    def training(self) -> Iterator[None]:
        """Say that rounds are trained while the block runs."""
        self.is_training.set(1)
        try:
            yield
        finally:
            self.is_training.set(0)

    def saw(self, report: RoundReport) -> None:
        self.round.set(report.round)
        self.participants.set(len(report.participants))
        self.left_out.set(len(report.left_out))
        self.train_loss.set(report.train_loss)
        if report.validation_loss is not None:
            self.validation_loss.set(report.validation_loss)
        self.bytes.labels("down").inc(report.bytes_down)
        self.bytes.labels("up").inc(report.bytes_up)
        self.seconds.observe(report.seconds)


class AgentMetrics(_Served):
    """The metrics of one agent. `proven` is for the daily task that forecasts and proves on the same gateway."""

    def __init__(self, home: str) -> None:
        super().__init__()
        registry = self.registry
        self.home = Gauge("wattproof_agent_info", "Which home this is", ["home"], registry=registry)
        self.home.labels(home).set(1)
        self.connected = Gauge(
            "wattproof_agent_connected",
            "1 while registered with the coordinator and in contact with it",
            registry=registry,
        )
        self.clock = Gauge(
            "wattproof_agent_clock_ahead_seconds",
            "How far this machine's clock is ahead of the coordinator's",
            registry=registry,
        )
        self.round = Gauge("wattproof_agent_round", "Last round trained in", registry=registry)
        self.train_loss = Gauge("wattproof_agent_train_loss", "This home's loss in that round", registry=registry)
        self.messages = Counter(
            "wattproof_agent_messages", "Messages answered", ["type", "outcome"], registry=registry
        )
        self.bytes_in = Gauge(
            "wattproof_agent_received_bytes", "Content received from the coordinator", registry=registry
        )
        self.bytes_out = Gauge("wattproof_agent_sent_bytes", "Content sent to the coordinator", registry=registry)
        self.seconds = Histogram(
            "wattproof_agent_work_seconds",
            "Time on a message",
            ["type"],
            buckets=(0.1, 0.3, 1, 3, 10, 30, 100),
            registry=registry,
        )
        self.proof_seconds = Histogram(
            "wattproof_agent_proof_seconds",
            "Time to prove a forecast",
            buckets=(0.3, 1, 3, 10, 30, 100),
            registry=registry,
        )
        self.proven_day = Gauge(
            "wattproof_agent_proven_day", "Last community day forecast and proven", registry=registry
        )

        self.without_forecast = Counter(
            "wattproof_agent_days_without_forecast",
            "Days whose deadline has passed without a forecast, by reason",
            ["reason"],
            registry=registry,
        )
        self.can_train = Gauge(
            "wattproof_agent_can_train", "1 once there are enough readings to train on", registry=registry
        )
        self.peak_day = Gauge(
            "wattproof_agent_peak_day", "Community day that the peak is expected on", registry=registry
        )
        self.peak = Gauge(
            "wattproof_agent_peak_probability",
            "How likely this home's peak lies in the lower, middle, upper tercile of its past peaks",
            ["class"],
            registry=registry,
        )
        self.submissions = Counter(
            "wattproof_agent_submissions",
            "Attempts to submit a forecast or a claim: ok, or why not",
            ["kind", "outcome"],
            registry=registry,
        )
        self.submissions_waiting = Gauge(
            "wattproof_agent_submissions_waiting", "Forecasts and claims still to submit", registry=registry
        )
        self.sums = Counter(
            "wattproof_agent_sums",
            "Steps of the community's totals: answered, open, or why not",
            ["kind", "outcome"],
            registry=registry,
        )
        self.model_round = Gauge(
            "wattproof_agent_model_round", "Round of the model it forecasts with", registry=registry
        )
        self.models_refused = Counter(
            "wattproof_agent_models_refused", "Models offered that are not the registered ones", registry=registry
        )

    def follow_privacy(self, ledger: HomeLedger) -> None:
        """Report the home's own ledger, at each scrape."""
        epsilon = Gauge(
            "wattproof_agent_epsilon_spent", "Privacy loss of this home's updates, at delta", registry=self.registry
        )
        budget = Gauge(
            "wattproof_agent_epsilon_budget", "This home's own limit; infinite if none", registry=self.registry
        )
        releases = Gauge("wattproof_agent_privacy_releases", "Updates in this home's ledger", registry=self.registry)
        epsilon.set_function(lambda: ledger.epsilon)
        budget.set(math.inf if ledger.settings.max_epsilon is None else ledger.settings.max_epsilon)
        releases.set_function(lambda: ledger.releases)

    def follow_connection(self, client: FleetClient) -> None:
        """Report the state of the connection to the coordinator, at each scrape."""
        self.connected.set_function(lambda: float(client.up))
        self.clock.set_function(lambda: float(client.clock.ahead_s or 0))

    def peak_expected(self, day: int, probabilities: Mapping[str, float]) -> None:
        """Report how high the home's peak of a day is expected to be: on loopback, to the household alone."""
        self.peak_day.set(day)
        for name, probability in probabilities.items():
            self.peak.labels(name).set(probability)

    def proven(self, day: int, seconds: float) -> None:
        """Count one proof."""
        self.proof_seconds.observe(seconds)
        self.proven_day.set(day)

    def answered(self, message: Message, reply: Message, seconds: float) -> None:
        """Count one processed message."""
        kind = message.metadata.message_type
        self.messages.labels(kind, "failed" if reply.has_error() else "ok").inc()
        self.seconds.labels(kind).observe(seconds)
        if kind != MessageType.TRAIN or reply.has_error() or PLAN not in message.content.config_records:
            return
        plan = message.content.config_records[PLAN]
        if quantity_of(plan) == "load":
            self.round.set(int(plan["round"]))  # type: ignore[arg-type]
            if METRICS in reply.content.metric_records:  # under secure aggregation they are in the masked sum
                self.train_loss.set(float(reply.content.metric_records[METRICS]["loss"]))  # type: ignore[arg-type]

    def carried(self, bytes_in: int, bytes_out: int) -> None:
        """Set the connection's totals."""
        self.bytes_in.set(bytes_in)
        self.bytes_out.set(bytes_out)
