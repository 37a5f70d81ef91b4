"""`python -m bench.vertical [--steps 60]`: homes learn with a partner that has further columns; one JSON line.

The 17 real homes and a charger's operator (`bench.vertical_case`) run a session by Flower's messages, each side
with its own keys and its own data, in this process. Judged on the last fifth of the year. `max_abs_against_joined`:
largest difference, in Wh over all hours learnt from and in any weight, between the two-party ridge and
scikit-learn's on all columns in one place. `gain_home`, `gain_community`: by how much split learning lowers the
median home's nMAE and the community's WAPE, against the same homes without the partner's values. `bytes`: carried
to and from all homes and the partner. `installer`: the ridge regression with the history of a solar plant, which
does not know the future. `noise`: the charger's case with noise on cut and gradients, in units of their norms.
`submeter`: the same chargers where the meter measures the charger alone.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec
from eth_account import Account
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from bench.local_grid import LocalGrid
from bench.local_rounds import FORECASTING, SHAPE
from bench.vertical_case import CLOCK, Case, charger, installer
from data.atomic import write_bytes
from data.meter import Meter
from data.signed_id import SignedId, sign_id
from data.windows import Windows
from fl.one_shot.home import own_sums
from fl.one_shot.model import provable_twin
from fl.one_shot.moments import regression_moments
from fl.one_shot.plan import STATISTICS, OneShotPlan, most_windows
from fl.one_shot.ridge import evidence_penalty, ridge
from fl.one_shot.statistics import Statistics
from fl.secagg.roster import identity_of
from fl.task import initial_weights
from fl.vertical.columns import PartnerTable, home_columns
from fl.vertical.coordinator import VerticalSession
from fl.vertical.home import HomeData, HomeLimits, HomeSide
from fl.vertical.home_mod import VerticalHomeMod
from fl.vertical.partner import PartnerData, PartnerLimits, PartnerSide
from fl.vertical.partner_mod import VerticalPartnerMod
from fl.vertical.ridge import JointRidge
from fl.vertical.terms import VerticalTerms
from fl.weights import Weights, to_state_dict
from forecasting.model import LoadForecaster

STEPS = (15, 30, 60, 90, 120, 180)
PARTNER = "partner"
OUT = Path("out/bench/vertical.json")
Floats = NDArray[np.float64]


@dataclass
class Parties:
    """All parties of a session on a case. `noise`: of the cut and of the gradients, in units of their norms."""

    case: Case
    noise: float = 0.0
    forecaster: Weights | None = None
    homes: tuple[str, ...] = ()
    sides: dict[str, VerticalHomeMod] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.homes = tuple(sorted(self.case.records))
        self._keys = {name: ec.generate_private_key(ec.SECP384R1()) for name in (*self.homes, PARTNER)}
        self._roster = {name: identity_of(key.public_key()) for name, key in self._keys.items()}
        self.sides = {home: VerticalHomeMod(partial(self._home_side, home)) for home in self.homes}
        partner = VerticalPartnerMod(self._partner_side)
        self.grid = LocalGrid({**self.sides, PARTNER: partner})
        self.session = VerticalSession(self.grid, self._terms(), self.grid.nodes)

    def _home_side(self, home: str, terms: VerticalTerms) -> HomeSide:
        windows = self.case.windows.of_home(home).at_day_start()
        data = HomeData(home, _signed(home), windows, partial(_forecaster, self.forecaster), FORECASTING.huber)
        return HomeSide(terms, data, HomeLimits((PARTNER,)), self._keys[home], self._roster)

    def _partner_side(self, terms: VerticalTerms) -> PartnerSide:
        records = {_signed(home): self.case.records[home] for home in self.homes}
        data = PartnerData(PARTNER, PartnerTable(self.case.columns, records), CLOCK)
        return PartnerSide(terms, data, PartnerLimits(), self._keys[PARTNER], self._roster)

    def _terms(self) -> VerticalTerms:
        return VerticalTerms(
            nonce=b"bench".rjust(16, b"\0"), partner=PARTNER, homes=self.homes, columns=len(self.case.columns),
            first_day=0, end_day=self.case.split.train_end, cut_norm=4.0, cut_noise=self.noise,
            gradient_noise=self.noise,
        )  # fmt: skip

    def learnt(self, home: str) -> Windows:
        """What a home learns from: its days of which the partner has every hour."""
        windows = self.case.windows.of_home(home).at_day_start().between(0, self.case.split.train_end)
        return windows.where(self.case.records[home].days(windows.day, CLOCK)[0])

    def test_days(self) -> NDArray[np.int64]:
        return np.arange(self.case.split.test_start, self.case.split.test_end)

    def days_before(self) -> NDArray[np.int64]:
        """The days between those that are learnt from and those of the test."""
        return np.arange(self.case.split.train_end, self.case.split.test_start)

    def accuracy(self, name: str) -> tuple[float, float]:
        """Median home nMAE by the typical hours, and community WAPE by the means, of forecasts of this name."""
        errors, total, truth = [], np.zeros(1), np.zeros(1)
        for home in self.homes:
            side = self.sides[home].sessions.current()
            if side.asked is None:
                raise AssertionError(f"{home} is left out: {self.session.left_out.get(home)}")
            target, forecast = side.asked.target.astype(np.float64), side.forecasts[name]
            errors.append(float(np.abs(forecast[:, :24] - target).mean() / np.abs(target).mean()))
            total, truth = total + forecast[:, -24:], truth + target
        return float(np.median(errors)), float(np.abs(total - truth).sum() / np.abs(truth).sum())


def _signed(home: str) -> SignedId:
    secret = home.encode().rjust(32, b"\1")
    return sign_id(Meter(secret), Account.from_key(secret).address, PARTNER)


def _forecaster(weights: Weights | None) -> LoadForecaster:
    model = LoadForecaster(SHAPE, FORECASTING.seed)
    if weights is not None:
        model.load_state_dict(to_state_dict(weights))
    return model


def one_shot(case: Case) -> Weights:
    """The community's forecaster of the first evening, which homes begin with (`fl.one_shot`)."""
    homes = sorted(case.records)
    plan = OneShotPlan(STATISTICS, (), 10, False, most_windows(len(homes), False))
    end = case.split.train_end
    total = sum(own_sums(case.windows.of_home(home).between(0, end), plan) for home in homes)
    moments = regression_moments(Statistics(plan.shape, np.asarray(total)))
    start = initial_weights(SHAPE, FORECASTING.seed)
    weights, _ = provable_twin(start, partial(ridge, moments), evidence_penalty(moments), SHAPE, trained=False)
    return weights


def against_joined(parties: Parties, found: JointRidge, penalty: float) -> float:
    """The largest difference to scikit-learn's ridge on all columns in one place: any weight, any forecast in Wh."""
    columns, target = [], []
    for home in parties.homes:
        windows = parties.learnt(home)
        _, theirs = parties.case.records[home].days(windows.day, CLOCK)
        columns.append(np.hstack([home_columns(windows), theirs.reshape(-1, theirs.shape[2])]))
        target.append(windows.target.reshape(-1))
    joined, truth = np.concatenate(columns), np.concatenate(target)
    scaler = StandardScaler().fit(joined)
    oracle = Ridge(alpha=penalty).fit(scaler.transform(joined), truth)
    weight = np.concatenate([found.home, found.partner])
    differences = [
        np.abs(weight - oracle.coef_ / scaler.scale_).max(),
        np.abs(joined @ weight + found.intercept - oracle.predict(scaler.transform(joined))).max(),
    ]
    return float(max(differences))


def measure(case: Case, steps: int, noise: float = 0.0, penalty: float = 1.0) -> dict[str, float]:
    """One session: matching, ridge, `steps` of split learning (none: the ridge alone), forecasts of the test days."""
    parties = Parties(case, noise, one_shot(case) if steps else None)
    started = time.perf_counter()
    parties.session.match()
    found = parties.session.regress(penalty)
    regressed = time.perf_counter() - started
    of_ridge = parties.session.bytes_all
    parties.session.learn(steps)
    parties.session.forecast(parties.test_days())
    figures = {"seconds_ridge": regressed, "seconds": time.perf_counter() - started}
    figures |= {"bytes_ridge": float(of_ridge), "bytes": float(parties.session.bytes_all)}
    figures["homes"] = float(len(parties.homes) - len(parties.session.left_out))
    figures["max_abs_against_joined"] = against_joined(parties, found, penalty)
    for name in ("ridge_alone", "ridge") + (("split_alone", "split") if steps else ()):
        figures[f"{name}_home"], figures[f"{name}_community"] = parties.accuracy(name)
    if steps:
        figures |= _away(parties)
    return figures


def choose_steps(case: Case) -> tuple[int, dict[str, tuple[float, float]]]:
    """How many steps of split learning to take, by the days before the test; and what each number came to there.

    The lowest sum of the median home's nMAE and the community's WAPE, of one session that stops at each of `STEPS`.
    """
    parties, done = Parties(case, 0.0, one_shot(case)), 0
    parties.session.match()
    parties.session.regress()
    found = {}
    for steps in STEPS:
        parties.session.learn(steps - done)
        parties.session.forecast(parties.days_before())
        found[steps], done = parties.accuracy("split"), steps
    chosen = min(found, key=lambda steps: sum(found[steps]))
    return chosen, {str(steps): scored for steps, scored in found.items()}


def _away(parties: Parties) -> dict[str, float]:
    """The same homes when the partner is away."""
    parties.grid.away.add(PARTNER)
    parties.session.forecast(parties.test_days())
    home, community = parties.accuracy("split")
    return {"away_home": home, "away_community": community}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, help="of split learning; chosen on the days before the test otherwise")
    parser.add_argument("--noise", type=float, nargs="*", default=[], help="further sessions with this noise")
    parser.add_argument("--cache", type=Path, default=Path(".cache/wattproof"))
    asked = parser.parse_args()
    case = charger(asked.cache)
    validation: dict[str, tuple[float, float]] = {}
    if asked.steps is None:
        asked.steps, validation = choose_steps(case)
    found = measure(case, asked.steps)
    solar, submeter = measure(installer(asked.cache), 0), measure(charger(asked.cache, alone=True), asked.steps)
    noisy = {str(noise): measure(case, asked.steps, noise) for noise in asked.noise}
    result = {
        "max_abs_against_joined": max(each["max_abs_against_joined"] for each in (found, submeter, solar)),
        "gain_home": 1 - found["split_home"] / found["split_alone_home"],
        "gain_community": 1 - found["split_community"] / found["split_alone_community"],
        "bytes": found["bytes"], "seconds": found["seconds"], "steps": asked.steps, "validation": validation,
        "charger": found,
        "submeter": submeter, "installer": solar, "noise": noisy,
    }  # fmt: skip
    write_bytes(OUT, json.dumps(result, indent=1).encode())
    print(json.dumps(result))


if __name__ == "__main__":
    main()
