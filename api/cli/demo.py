"""`wattproof demo`: one community day on 17 real homes, end to end, its surplus hours, and a month of shared energy.

It ends with a report and pictures.

It can be interrupted anywhere: rounds, vaults, proofs and the chain's journal are on disk, and the next run resumes
from them. A finished demo, or one made with another configuration, is started over.
"""

from __future__ import annotations

import json
import resource
import shutil
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from api.cli.demo_month import month_table, settle_month
from api.cli.demo_surplus import RoofCommunity, publish_export, surplus_of_day, surplus_rows, train_export
from api.config.community_yaml import Config, ConfigError
from api.config.logs import leave_screen
from api.one_machine import training
from api.one_machine.community import LocalCommunity
from api.one_machine.computed_totals import compute_totals, keep_computed
from api.one_machine.day import make_claim, pin_heads, prove_day, register
from api.one_machine.days import claim_green_share
from api.one_machine.total_accuracy import total_accuracy
from api.one_machine.totals import open_measured, open_total
from api.operator.calibrated import past_days
from api.operator.chain_session import ChainSession, open_chain_session, pay_claimed_day, publish_round, recall_reward
from api.operator.challenges import register_features
from api.operator.community import JOURNAL
from api.operator.day_picture import day_picture
from api.operator.green_hours import prepare_green_hours
from api.operator.green_shares import pay_claimed_green
from api.operator.paid_claims import settle
from api.operator.trained_model import TrainedModel
from api.protocol.calibration import Calibrated, NotCalibrated, calibrated
from api.protocol.period import PeriodError
from api.protocol.surplus import SurplusError
from data.atomic import write_bytes
from data.process_pool import ProcessPool
from forecasting import metrics, report
from forecasting.integer import IntegerModel
from forecasting.palette import DARK, LIGHT
from rewards.claims import claims_close, holdings
from rewards.journal import Journal

DAYS_INTO_TEST = 10
_MARK = "demo.json"
_REPORT = "report.json"


@dataclass
class Demo:
    """One run; each step adds its figures to `report`."""

    config: Config
    console: Console
    report: dict[str, Any] = field(default_factory=dict)
    _seconds: dict[str, float] = field(default_factory=dict)

    def run(self) -> dict[str, Any]:
        """All steps; the report. Raises what a step raises, with everything done so far kept."""
        started = time.perf_counter()
        self._prepare()
        leave_screen(self.console, self.config.api.state_dir)
        community = LocalCommunity(self.config)
        self.console.print(
            f"[bold]{len(community.homes)} real homes[/], a year of hourly readings, Fontana, California"
        )
        trained = self._train(community)
        with ProcessPool(1) as beside:  # it leaves a core idle
            of_export = beside.submit(train_export, self.config)
            models, scores = self._personalise(community, trained)
            of_export.result()
        day = training.split_of(community).test_start + DAYS_INTO_TEST
        chain_session = open_chain_session(community, day)
        publish_round(community, chain_session, trained)
        pin_heads(community, chain_session, trained.round)
        register_features(community, chain_session, day)
        prepare_green_hours(community, chain_session, day)
        roofs = RoofCommunity(self.config)
        export_model = publish_export(roofs, chain_session.chain)
        chain_session.chain.advance_to(community.start_of(day))
        self._forecast(community, chain_session, trained, day)
        opened = open_total(community, day)
        self._surplus(roofs, export_model, day)
        result = self._calibrate(community, models, day, opened.means)
        self._reward(community, chain_session, trained, day)
        self._compare(community, day, opened.means, result)
        self._settle(community, chain_session, day)
        self._finish(community, chain_session, scores, day, time.perf_counter() - started)
        return self.report

    def _prepare(self) -> None:
        folder, mark = self.config.api.state_dir, self.config.api.state_dir / _MARK
        wanted = self.config.model_dump_json()
        if not mark.exists():
            if folder.exists() and any(folder.iterdir()):
                raise ConfigError(
                    f"{folder} holds files of something else, and a demo would begin by deleting them: name another "
                    "folder with --folder"
                )
        elif (folder / _REPORT).exists():
            self._start_over(f"A finished demo is in {folder}")
        elif mark.read_bytes() == wanted.encode():
            self.console.print(f"An interrupted demo is in {folder}: resuming.")
        else:
            self._start_over(f"{folder} holds a demo with other settings")
        write_bytes(mark, wanted.encode())

    def _start_over(self, why: str) -> None:
        """Delete everything in it, unless a server still uses it."""
        folder = self.config.api.state_dir
        with Journal(folder / JOURNAL):
            self.console.print(f"{why}: starting over.")
            shutil.rmtree(folder)

    def _bar(self) -> Progress:
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        return Progress(*columns, console=self.console)

    def _train(self, community: LocalCommunity) -> TrainedModel:
        started = time.perf_counter()
        with self._bar() as bar:
            task = bar.add_task("Federated training (Flower), rounds", total=self.config.federation.rounds)
            trained = training.train(community, lambda done, _total, _loss: bar.update(task, completed=done))
            bar.update(task, completed=trained.round)
        self._seconds["train"] = time.perf_counter() - started
        return trained

    def _surplus(self, roofs: RoofCommunity, export_model: TrainedModel, day: int) -> None:
        """The day's surplus hours. Fewer homes than a sum takes have none, which is said."""
        started = time.perf_counter()
        try:
            with self.console.status("Forecasts of export proven, surplus hours opened"):
                self.report["surplus"] = surplus_of_day(roofs, export_model, day)
        except SurplusError as why:
            self.console.print(f"No surplus hours are known: {why}.")
            self.report["surplus"] = None
        self._seconds["surplus"] = time.perf_counter() - started

    def _personalise(
        self, community: LocalCommunity, trained: TrainedModel
    ) -> tuple[dict[str, IntegerModel], metrics.Scores]:
        """Every home's own head beside the community's model, committed to; and how good the forecasts are."""
        started = time.perf_counter()
        with self.console.status("Fitting each home's personal head"):
            heads, models = training.personalise(community, trained, community.homes)
        fitted = time.perf_counter()
        with self.console.status("Backtesting on the test days, beside the baselines"):
            scores = training.evaluate(community, trained, heads, models)
        self._seconds |= {"personalise": fitted - started, "evaluate": time.perf_counter() - fitted}
        return models, scores

    def _forecast(
        self, community: LocalCommunity, chain_session: ChainSession, trained: TrainedModel, day: int
    ) -> None:
        started = time.perf_counter()
        count, figures = 0, []
        with self._bar() as bar:
            task = bar.add_task("Forecasts proven, verified, registered", total=len(community.homes))
            for home, bundle, figure in prove_day(community, day, trained):
                register(community, chain_session, home, bundle)
                count += 1
                figures += [figure] if figure is not None else []
                bar.advance(task)
        self._seconds["prove"] = time.perf_counter() - started
        self.report["proofs"] = {
            "count": count,
            "verified": count,  # `proving.make` raises for a proof that does not verify
            "prove_s_median": _median([f.prove_s for f in figures]),
            "verify_s_median": _median([f.verify_s for f in figures]),
            "bytes": max((f.bytes for f in figures), default=None),
            "peak_mb": max((f.peak_mb for f in figures), default=None),
        }

    def _reward(
        self, community: LocalCommunity, chain_session: ChainSession, trained: TrainedModel, day: int
    ) -> None:
        started = time.perf_counter()
        chain = chain_session.chain
        chain.advance_to(community.start_of(day + 1))
        buckets: list[int] = []
        green: list[int] = []
        lost = 0
        with self._bar() as bar:
            task = bar.add_task("Skill proven and rewarded", total=len(community.homes))
            for home in community.homes:
                paid = recall_reward(community, chain_session, home.wallet.address, day)
                claim = None if paid else make_claim(community, home, day, trained.round)
                if paid is not None:
                    buckets.append(paid.buckets)
                elif claim is not None:
                    buckets.append(settle(community, chain_session, claim).buckets)
                else:
                    lost += 1
                if paid is not None or claim is not None:
                    share = claim_green_share(community, chain_session, home, day)
                    green += [] if share is None else [share]
                bar.advance(task)
        # Claims are open for two weeks after the day; then it is finalised and paid.
        chain.advance_to(claims_close(chain_session.contracts, day))
        pay_claimed_day(community, chain_session, day)
        green_paid = pay_claimed_green(community, chain_session, day) if green else {}
        held = [holdings(chain, chain_session.contracts, home.wallet.address) for home in community.homes]
        self.report["rewards"] = {
            "minted": sum(h.tokens for h in held) / 10**18,
            "nfts": sum(h.metadata is not None for h in held),
            "claims": len(buckets),
            "worse_than_naive": lost,  # or than another benchmark: no claim
            "tier_median_percent": None,  # no contract sees a share any more
            "buckets_median": statistics.median(buckets) if buckets else None,
            "green_claims": len(green),
            "green_percent_median": statistics.median(green) if green else None,
            "green_minted": sum(green_paid.values()) / 10**18,
        }
        self._seconds["reward"] = time.perf_counter() - started

    def _calibrate(
        self, community: LocalCommunity, models: Mapping[str, IntegerModel], day: int, opened: Sequence[int]
    ) -> Calibrated | None:
        """The day's calibrated total. The demo proves one day, so the totals of the days before are only computed."""
        started = time.perf_counter()
        split = training.split_of(community)
        with self.console.status("Computing the totals of past days, without proofs"):
            computed = compute_totals(community, models, range(split.train_end, split.test_end))
        keep_computed(community, (one for one in computed if one.day < day))
        accuracy = total_accuracy(computed, split.test_start, community.shape.horizon)
        self.report["community"] = {
            "test_days": None if accuracy is None else asdict(accuracy),
            "totals": {"proven_days": [day], "computed_days": [one.day for one in computed if one.day != day]},
        }
        self._seconds["calibrate"] = time.perf_counter() - started
        try:
            return calibrated(past_days(community, day), day, opened, community.shape.horizon)
        except NotCalibrated as why:
            self.console.print(f"The community's total is not calibrated: {why}.")
            return None

    def _compare(self, community: LocalCommunity, day: int, opened: Sequence[int], result: Calibrated | None) -> None:
        """Open the measured total, backed by the meters' signatures, and compare the forecasts with it."""
        measured = open_measured(community, day).values
        actual = np.array(measured, dtype=np.float64)
        self.report["community"]["day"] = {
            "wape_plain": metrics.wape(actual, np.array(opened, dtype=np.float64)),
            "wape_calibrated": result and metrics.wape(actual, np.array(result.values, dtype=np.float64)),
            "learnt_from": {"proven": result.days_proven, "computed": result.days_computed} if result else None,
        }
        for palette, suffix in ((LIGHT, ""), (DARK, "_dark")):
            figure = day_picture(day, self.config.data.day_start_utc, opened, result, measured, palette)
            figure.savefig(self.config.api.state_dir / f"community_day{suffix}.png", dpi=130)

    def _settle(self, community: LocalCommunity, chain_session: ChainSession, day: int) -> None:
        """A month of shared energy. Fewer homes than a total takes are not settled, which is said."""
        started = time.perf_counter()
        try:
            with self.console.status("Settling a month of shared energy, every share proven"):
                self.report["shared_energy"] = settle_month(community, chain_session.chain, day)
        except PeriodError as why:
            self.console.print(f"No month of shared energy is settled: {why}.")
            self.report["shared_energy"] = None
        self._seconds["settle"] = time.perf_counter() - started

    def _finish(
        self,
        community: LocalCommunity,
        chain_session: ChainSession,
        scores: metrics.Scores,
        day: int,
        seconds: float,
    ) -> None:
        headlines = training.accuracy_summary(scores)
        own = headlines.pop(training.PROVEN)
        gas = {call: int(statistics.median(values)) for call, values in sorted(chain_session.chain.gas.items())}
        self.report |= {
            "homes": len(community.homes),
            "rounds": self.config.federation.rounds,
            "day": day,
            "forecast": own,
            "forecast_float": headlines.pop(training.PERSONAL),
            "forecast_global": headlines.pop(training.FEDERATED),
            "forecast_integer": own,
            "baselines": headlines,
            "chain": {"gas": gas, "contracts": asdict(chain_session.contracts.addresses)},
            "seconds": self._seconds | {"all": seconds},
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        write_bytes(self.config.api.state_dir / _REPORT, json.dumps(self.report, indent=1).encode())
        summarise(self.console, self.report, scores, self.config.api.state_dir)


def _median(values: list[float]) -> float | None:
    """None if an earlier run made all the proofs, and their figures are gone."""
    return statistics.median(values) if values else None


def summarise(console: Console, figures: dict[str, Any], scores: metrics.Scores, folder: Path) -> None:
    """The figures of interest to a newcomer."""
    console.print(report.as_table(scores, training.PROVEN))
    proofs, rewards = figures["proofs"], figures["rewards"]
    table = Table(title="One community day, proven and paid", show_header=False)
    table.add_row("homes", str(figures["homes"]))
    table.add_row("forecasts proven and verified", f"{proofs['verified']} of {proofs['count']}")
    if proofs["prove_s_median"] is not None:
        checking = f"{proofs['verify_s_median'] * 1000:.0f} ms; it has {proofs['bytes']:,} bytes"
        table.add_row("a proof takes", f"{proofs['prove_s_median']:.2f} s and {proofs['peak_mb']:.0f} MB")
        table.add_row("checking it takes", checking)
    table.add_row("households that beat every benchmark", f"{rewards['claims']} of {figures['homes']}")
    table.add_row("tokens minted, records (NFTs)", f"{rewards['minted']:.1f}, {rewards['nfts']}")
    shares = f"{rewards['green_claims']}, {rewards['green_minted']:.1f} of these tokens"
    table.add_row("households greener than a constant load", shares)
    for name, value in _totals_rows(figures["community"]):
        table.add_row(name, value)
    if figures["surplus"] is not None:
        for name, value in surplus_rows(figures["surplus"]):
            table.add_row(name, value)
    for call in ("submit", "claim"):
        if call in figures["chain"]["gas"]:
            table.add_row(f"gas of a {call}", f"{figures['chain']['gas'][call]:,}")
    table.add_row("time", f"{figures['seconds']['all']:.0f} s")
    console.print(table)
    if figures["shared_energy"] is not None:
        console.print(month_table(figures["shared_energy"]))
    pictures = ", ".join(sorted(p.name for p in folder.glob("*.png")))
    console.print(f"Figures: {folder / _REPORT}   Pictures: {pictures}")
    console.print("Look around: [bold]make serve[/], then open http://127.0.0.1:8000")


def _totals_rows(community: dict[str, Any]) -> list[tuple[str, str]]:
    """The community's total, plain and calibrated, and which totals are proven."""
    one, many, totals = community["day"], community["test_days"], community["totals"]
    rows = []
    if many is not None:
        rows.append((
            f"community WAPE over {many['days']} test days (totals computed, not proven)",
            f"{many['wape_plain']:.3f} as a sum, {many['wape_calibrated']:.3f} calibrated",
        ))  # fmt: skip
        if many["band_90_holds"] is not None:
            held = f"{many['band_90_holds']:.1%} of hours; the 50 % band {many['band_50_holds']:.1%}"
            rows.append(("the 90 % band of those days holds", held))
        rows.append(
            ("the calibrated total is the nearer one", f"on {many['days_better']} of those {many['days']} days")
        )
    calibrated = "not calibrated" if one["wape_calibrated"] is None else f"{one['wape_calibrated']:.3f} calibrated"
    rows.append(("community WAPE of the proven day", f"{one['wape_plain']:.3f} as a sum, {calibrated}"))
    rows.append(("totals proven", f"forecast and measured of day {', '.join(map(str, totals['proven_days']))}"))
    if one["learnt_from"] is not None:
        count = one["learnt_from"]["computed"]
        rows.append(("totals only computed", f"of the {count} days before, which the calibration learnt from"))
    return rows
