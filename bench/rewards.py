"""`python -m bench.rewards`: a year of the real homes, and of those that only want the rewards, under the rule.

First the benchmarks: which sets of past days leave nothing to a load that repeats itself after 2 to 13 days, whatever
its shape and whatever head is fitted to it. Then up to what share of a day's energy error avoided counts. Then
everybody's pay, with a day's budget at which nobody gains by keeping others out.

Prints tables and one JSON line, and writes out/bench/rewards.json and rewards.png. `paid_attackers_share` is the
highest of: pay over an honest home's of the same size (empty, constant, fixed, alternating); what an honest home
gains by splitting, claiming alone or in league with the operator. A household that can program its use of energy so
that it does not repeat within 13 days, and that a head still forecasts, earns more than an honest home of its size:
no set of benchmarks prevents that (`programmed_share`). What bounds it is the share of energy that counts: to burn
energy for that pay costs many times what it is worth (`energy_cost_over_pay`).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from bench.gas import Community, play_a_day
from bench.local_rounds import OUT
from bench.pictures import BLUE, ORANGE, picture
from bench.proof_case import FIRST_DAY
from bench.rewards_green import GreenDays, simulate_green
from bench.rewards_households import REFIT_DAYS, WEEK, Scored, Year, alternating, learn
from data.atomic import write_bytes
from forecasting.palette import GREY
from rewards.rule import Terms, avoided, paid
from rewards.settings import RewardSettings
from zkp.statements.skill import BUCKET_WH, ENERGY_PER_BUCKET_WH

Ints = NDArray[np.int64]
PERIODS = range(2, 14)
LONGER = (14, 15, 17, 20, 27)
PARTS = 4
ENERGY_PRICE = 0.30
"""Euro a kWh, a household's in Europe (Eurostat, first half of 2024: 0.29)."""
AVOIDED_VALUE = 0.10
"""Euro a kWh of error: what balancing a community's total costs, to one significant digit."""
YEAR = 365

Sets = Mapping[str, Callable[[Ints, Ints], Ints]]
"""By name: error of the best benchmark of each day [n], Wh, from the days before [n, 13, 24] and the day [n, 24]."""


def _single(days: Ints, actual: Ints) -> Ints:
    return np.asarray(np.abs(days - actual[:, None]).sum(axis=2).min(axis=1))


def _mean(days: Ints, actual: Ints) -> Ints:
    return np.asarray(np.abs(days.sum(axis=1) - days.shape[1] * actual).sum(axis=1) // days.shape[1])


CANDIDATES: Sets = {
    "last week": lambda d, a: _single(d[:, 6:7], a),
    "yesterday, last week": lambda d, a: _single(d[:, [0, 6]], a),
    "mean of 1 to 7": lambda d, a: _mean(d[:, :7], a),
    "1 to 7, mean": lambda d, a: np.minimum(_single(d[:, :7], a), _mean(d[:, :7], a)),
    "7 to 13": lambda d, a: _single(d[:, 6:], a),
    "7 to 13, mean": lambda d, a: np.minimum(_single(d[:, 6:], a), _mean(d[:, 6:], a)),
    "1 to 13, mean": lambda d, a: np.minimum(_single(d, a), _mean(d[:, :7], a)),
}
CHOSEN = "7 to 13, mean"


@dataclass(frozen=True)
class Played:
    """A household that plays for rewards."""

    name: str
    period: int
    scored: Scored
    loads: Ints


def before(loads: Ints, count: int) -> Ints:
    """The thirteen days before each of the last `count` days of `loads` [n, 24], nearest first: [count, 13, 24]."""
    first = len(loads) - count
    return np.stack([loads[first - lag : len(loads) - lag] for lag in range(1, 14)], axis=1)


def players(year: Year, periods: Iterable[int]) -> list[Played]:
    """Alternating households, each with the community's model and with a head fitted to its plan."""
    out = []
    for period in periods:
        for name, loads in alternating(year, period):
            out += [Played(name, period, year.playing(loads, head), loads) for head in (False, True)]
    return out


def steady(year: Year) -> list[Played]:
    """Empty; the same in every hour; the same every day, with a head that fixes the forecast."""
    shape, days = year.typical, year.days
    level = np.full(24, shape.mean())
    plans = {"empty": 0 * level, "constant": level, "fixed forecast": shape}
    loads = {name: np.tile(np.rint(plan).astype(np.int64), (days, 1)) for name, plan in plans.items()}
    return [Played(n, 1, year.playing(own, head), own) for n, own in loads.items() for head in (False, True)]


def gain(best: Ints, scored: Scored) -> Ints:
    """Wh avoided beside benchmarks with these errors."""
    return np.asarray(np.maximum(0, best - np.abs(scored.forecast - scored.actual).sum(axis=1)))


def compare_benchmarks(
    year: Year, honest: Mapping[str, Scored], short: Sequence[Played], longer: Sequence[Played]
) -> dict[str, dict[str, float]]:
    """For every candidate: what an honest home avoids (buckets a day), and the best player's share of it, by class.
    No cap."""
    own = {home: np.concatenate([w.history[0].reshape(WEEK, 24), w.target]) for home, w in year.homes.items()}
    out = {}
    for name, best in CANDIDATES.items():

        def mean_of(loads: Ints, scored: Scored, best: Callable[[Ints, Ints], Ints] = best) -> float:
            errors = best(before(loads, len(scored.actual)), scored.actual)
            return float((gain(errors, scored) // BUCKET_WH).mean())

        usual = float(np.mean([mean_of(own[home], scored) for home, scored in honest.items()]))
        out[name] = {
            "honest_buckets_day": usual,
            "periods_2_to_13": max(mean_of(p.loads, p.scored) for p in short) / usual,
            "longer_periods": max(mean_of(p.loads, p.scored) for p in longer) / usual,
        }
    return out


def buckets(scored: Scored) -> Ints:
    return avoided(scored.forecast, scored.actual, scored.benchmarks)


def split(scored: Scored) -> Ints:
    """Buckets of one home that poses as several: each has a part of every reading, and of the forecast."""

    def parts(values: Ints) -> list[Ints]:
        return [values // PARTS + (k < values % PARTS) for k in range(PARTS)]

    shares = zip(parts(scored.forecast), parts(scored.actual), parts(scored.benchmarks), strict=True)
    return np.asarray(sum(avoided(*share) for share in shares))


def tokens(claimed: Ints, terms: Terms) -> NDArray[np.float64]:
    """Tokens of each household, [homes, days] buckets -> [homes]."""
    return np.array([sum(days) for days in paid(claimed, terms)]) / 10**18


def simulate(year: Year, honest: Mapping[str, Scored], terms: Terms, played: Sequence[Played]) -> dict[str, Any]:
    """Everybody's pay in a year, in tokens, and the shares that are to be small."""
    scale = YEAR / len(next(iter(honest.values())).actual)
    claimed = np.stack([buckets(scored) for scored in honest.values()])
    usual = tokens(claimed, terms)
    half = claimed * (np.arange(claimed.shape[1]) % 2)
    plain = np.stack([buckets(year.score(w, lambda term: None)) for w in year.homes.values()])
    alone = np.array([tokens(claimed[k : k + 1], terms)[0] for k in range(len(claimed))])
    ring = tokens(claimed[:PARTS], terms)
    in_parts = np.stack([split(scored) for scored in honest.values()])
    energy = float(np.mean([scored.actual.sum(axis=1).mean() for scored in honest.values()]))

    def share(one: Played) -> float:
        """Of an honest home's pay for the same energy; it claims beside the honest ones."""
        own = tokens(np.vstack([claimed, buckets(one.scored)]), terms)[-1]
        used = float(one.scored.actual.sum(axis=1).mean())
        return float(own / usual.mean() * energy / used) if used else float(own)

    shares = {
        name: max(share(p) for p in played if p.name == name) for name in ("empty", "constant", "fixed forecast")
    }
    shares |= {f"alternating {period}": max(share(p) for p in played if p.period == period) for period in PERIODS}
    shares |= {
        f"splitting in {PARTS}": float((tokens(in_parts, terms) / usual).max() - 1),
        "claiming alone": float((alone / usual).max() - 1),
        # If nobody answers its challenges, all other forecasts are void, and it is as if it claimed alone.
        "challenging all others": float((alone / usual).max() - 1),
        f"operator and {PARTS} homes": float((ring / usual[:PARTS]).max() - 1),
    }
    programmed = max(
        float((np.minimum(p.scored.actual.sum(axis=1) // ENERGY_PER_BUCKET_WH, terms.day_cap)).mean())
        for p in played
        if p.period in LONGER
    )
    per_day = claimed.sum(axis=0) * terms.rate / 10**18
    spent = sum(map(sum, paid(claimed, terms))) / 10**18
    return {
        "paid_honest": float(usual.mean() * scale),
        "paid_honest_range": [float(usual.min() * scale), float(usual.max() * scale)],
        "paid_lazy": {
            "every other day": float(tokens(half, terms).mean() * scale),
            "no personal head": float(tokens(plain, terms).mean() * scale),
        },
        "days_paid_share": float((claimed > 0).mean()),
        "shares": {name: max(0.0, value) for name, value in shares.items()},
        "programmed_share": max(share(p) for p in played if p.period in LONGER),
        "programmed_most": programmed / float(claimed.mean()),
        "budget_spent": float(spent * scale),
        "budget_share": float(spent / (claimed.shape[1] * terms.day_budget / 10**18)),
        "budget_binds_days": float((per_day > terms.day_budget / 10**18).mean()),
        "buckets_by_home": [float(v) for v in claimed.mean(axis=1)],
    }


def green_players(year: Year, short: Sequence[Played], longer: Sequence[Played]) -> dict[str, list[Scored]]:
    """Who may want green pay alone, by name."""
    found: dict[str, list[Scored]] = {"alternating": [one.scored for one in short]}
    for one in steady(year):
        found.setdefault(one.name, []).append(one.scored)
    return found | {"programmed": [one.scored for one in longer]}


def choose_share(honest: Mapping[str, Scored]) -> list[dict[str, float]]:
    """What is kept of the honest homes' buckets, and what a programmed household gets at most beside them, by the
    share of a day's energy that counts."""
    out = []
    for share in (0.01, 0.02, 0.05, 0.1, 0.2):
        kept, most, whole = [], [], []
        for s in honest.values():
            error = np.abs(s.forecast - s.actual).sum(axis=1)
            free = np.maximum(0, np.minimum(_single(s.benchmarks, s.actual), _mean(s.benchmarks, s.actual)) - error)
            limit = share * s.actual.sum(axis=1)
            kept.append(np.minimum(free, limit) // BUCKET_WH)
            most.append(limit // BUCKET_WH)
            whole.append(free // BUCKET_WH)
        out.append({
            "share": share,
            "honest_buckets_day": float(np.mean(kept)),
            "kept": float(np.sum(kept) / np.sum(whole)),
            "programmed_most": float(np.mean(most) / np.mean(kept)),
            "energy_cost_over_value": ENERGY_PRICE / share / AVOIDED_VALUE,
        })  # fmt: skip
    return out


def gas_of_year(homes: int, paid_share: float, green_share: float) -> float:
    """Gas of a home's year: it registers every day, pins a head for each of the models, claims and is paid on its
    share of the days, for its forecast and its green load; all homes share what concerns a day.

    A claim comes alone, as the server settles it at once; what is first on its day, or in its year, costs more.
    """
    community = Community.founded()
    for day in (FIRST_DAY, FIRST_DAY + 20):
        play_a_day(community, day)
    gas = {name: each[-1] for name, each in community.chain.gas.items()}
    first = {name: each[0] - each[-1] for name, each in community.chain.gas.items()}
    paid = paid_share * (gas["claim"] + gas["collect_many"]) + green_share * (
        gas["claim_green"] + gas["collect_green"]
    )
    common = (gas["finalise"] + gas["publish_weights"] + gas["finalise_green"]) / homes
    once = sum(first[name] for name in ("claim", "collect_many", "claim_green", "collect_green"))
    return YEAR * (gas["submit"] + common + paid) + YEAR / REFIT_DAYS * gas["pin_head"] + once


def draw(result: dict[str, Any], path: Path) -> None:
    """Benchmarks: what honest homes keep beside what players get; pay by home; what the energy share does."""
    with picture(path, 3, (13, 4.4)) as (_, (sets, homes, shares)):
        names = list(result["benchmarks"])
        rows = np.arange(len(names))
        short, longer = (
            [result["benchmarks"][n][key] for n in names] for key in ("periods_2_to_13", "longer_periods")
        )
        sets.barh(rows + 0.2, short, 0.4, color=ORANGE, label="repeats within 2 to 13 days")
        sets.barh(rows - 0.2, longer, 0.4, color=GREY, hatch="//", label="repeats after 14 to 27 days")
        sets.set_yticks(rows, [f"{n} (chosen)" if n == CHOSEN else n for n in names])
        sets.set(
            title="Who gains by which benchmarks, no cap",
            xlabel="best player's pay / honest home's",
            ylabel="days before the paid one",
        )
        sets.legend(frameon=False)
        pay = sorted(result["year"]["buckets_by_home"])
        homes.bar(np.arange(1, len(pay) + 1), pay, color=BLUE)
        homes.set_xticks([1, 5, 9, 13, 17])
        homes.set(title="The 17 real homes", xlabel="home, by pay", ylabel="buckets of 100 Wh a day")
        by_share = result["energy_share"]
        part = [100 * row["share"] for row in by_share]
        shares.plot(
            part, [100 * row["kept"] for row in by_share], color=BLUE, marker="o", label="honest pay kept (%)"
        )
        cost = [row["energy_cost_over_value"] for row in by_share]
        shares.plot(part, cost, color=ORANGE, marker="D", linestyle="--", label="energy burnt for pay: cost / value")
        shares.axvline(100 * BUCKET_WH / ENERGY_PER_BUCKET_WH, color=GREY, linestyle=":")
        shares.set(title="Share of a day's energy that counts", xlabel="%", xscale="log")
        shares.set_xticks(part, [f"{p:.0f}" for p in part])
        shares.legend(frameon=False)


def show(result: dict[str, Any], console: Console) -> None:
    sets = Table("benchmarks (days before)", "honest buckets a day", "players, 2 to 13 days", "14 to 27 days")
    for name, row in result["benchmarks"].items():
        sets.add_row(name, *(f"{v:.2f}" for v in row.values()))
    console.print(sets)
    part = Table("energy share", "honest buckets a day", "kept", "programmed at most", "energy cost / value")
    for row in result["energy_share"]:
        share, usual, *rest = row.values()
        part.add_row(f"{share:.0%}", f"{usual:.2f}", *(f"{v:.2f}" for v in rest))
    console.print(part)
    year = result["year"]
    pay = Table("household", "a year's tokens, or the gain beside an honest home")
    pay.add_row(
        "honest (mean, least, most)", " ".join(f"{v:.0f}" for v in (year["paid_honest"], *year["paid_honest_range"]))
    )
    for name, value in year["paid_lazy"].items():
        pay.add_row(f"lazy: {name}", f"{value:.0f}")
    for name, value in year["shares"].items():
        pay.add_row(name, f"{value:.4f}")
    green = result["green"]
    usual = " ".join(f"{v:.0f}" for v in (green["paid_honest"], *green["paid_honest_range"]))
    pay.add_row("green, honest (mean, least, most)", usual)
    for name, value in green["shares"].items():
        pay.add_row(f"green, {name}", f"{value:.4f}")
    pay.add_row("green, all load in the greenest hour", f"{green['all_at_noon']:.2f}")
    console.print(pay)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path(".cache/wattproof"))
    cache, started, settings = parser.parse_args(arguments).cache, time.monotonic(), RewardSettings()
    year = learn(cache)
    honest, short, longer = year.honest(), players(year, PERIODS), players(year, LONGER)
    result: dict[str, Any] = {
        "benchmarks": compare_benchmarks(year, honest, short, longer),
        "energy_share": choose_share(honest),
        "year": simulate(year, honest, settings.terms, [*steady(year), *short, *longer]),
        "green": simulate_green(GreenDays.of(year, cache), honest, green_players(year, short, longer), settings),
    }
    summary = {
        "paid_honest": result["year"]["paid_honest"],
        "paid_attackers_share": max(result["year"]["shares"].values()),
        "budget_spent": result["year"]["budget_spent"],
        "gas_home_year": gas_of_year(
            len(honest), result["year"]["days_paid_share"], result["green"]["days_paid_share"]
        ),
        "programmed_share": result["year"]["programmed_share"],
        "energy_cost_over_pay": ENERGY_PRICE * ENERGY_PER_BUCKET_WH / (AVOIDED_VALUE * BUCKET_WH),
        "green_paid_honest": result["green"]["paid_honest"],
        "green_attackers_share": max(v for name, v in result["green"]["shares"].items() if name != "programmed"),
        "seconds": time.monotonic() - started,
    }
    summary = {name: round(value, 4) for name, value in summary.items()}
    draw(result, OUT / "rewards.png")
    write_bytes(OUT / "rewards.json", json.dumps(result | {"summary": summary}, indent=1).encode())
    show(result, Console())
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
