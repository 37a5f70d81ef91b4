"""A day's surplus hours with all homes on this machine: forecasts of both quantities proven, both sums opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from api.gateway.home import Home
from api.gateway.own_surplus import keep_surplus
from api.gateway.proof_folder import ProofFigures, ProofFolder
from api.one_machine.community import LocalCommunity
from api.one_machine.day import Missed, one_home, prove_day
from api.one_machine.totals import masked_total
from api.operator.surplus_days import keep_day
from api.operator.trained_model import TrainedModel
from api.protocol.bundle import InferenceBundle
from api.protocol.surplus import FEWEST, ForecastSum, SurplusDay, SurplusError, check, shown
from data.errors import DataError
from data.quantity import QUANTITIES, Quantity

OnProof = Callable[[Home, Quantity, ProofFigures | None], None]


def surplus_day(
    community: LocalCommunity,
    day: int,
    models: Mapping[Quantity, TrainedModel],
    missed: Missed | None = None,
    on_proof: OnProof = lambda home, quantity, figures: None,
) -> SurplusDay:
    """Prove every home's forecasts of a day, of load and of export, open both sums and check all of it.

    Proofs that are there are taken as they are; of a quantity without a model no others are made. (Where forecasts of
    load are registered, `wattproof forecast` has to make them: it knows the round and the heads that are in force.) A
    home without export in its table has a forecast of load alone; one without a forecast of load is in neither sum.
    Raises SurplusError for fewer than three forecasts of either, TableError for readings without export.
    """
    sums: dict[Quantity, ForecastSum] = {}
    homes = community.homes
    for quantity in QUANTITIES:
        known = set(community.readings_of(quantity)["unique_id"].unique())
        able = [home for home in homes if home.name in known]
        proven: list[tuple[Home, InferenceBundle]] = []
        for home, bundle, figures in _forecasts(community, day, models.get(quantity), able, missed, quantity):
            on_proof(home, quantity, figures)
            proven.append((home, bundle))
        sums[quantity] = _opened(community, day, quantity, proven)
        homes = [home for home, _ in proven]
    found = SurplusDay(community.config.community.name, day, sums["load"], sums["export"])
    check(found)
    return found


def _forecasts(
    community: LocalCommunity,
    day: int,
    model: TrainedModel | None,
    homes: Sequence[Home],
    missed: Missed | None,
    quantity: Quantity,
) -> Iterator[tuple[Home, InferenceBundle, ProofFigures | None]]:
    """Every home's proof, made where there is none; without a model, those that are there."""
    if model is not None:
        yield from prove_day(community, day, model, homes, missed, quantity)
        return
    kept = ProofFolder(community.config.api.proofs_of(quantity))
    for home in homes:
        bundle = None
        with one_home(home, missed):
            bundle = kept.read(day, home.name)
            if bundle is None:
                raise DataError(f"{home.name} has no proven forecast of {quantity}: run `wattproof forecast {day}`")
        if bundle is not None:
            yield home, bundle, kept.figures(day, home.name)


def _opened(
    community: LocalCommunity, day: int, quantity: Quantity, proven: Sequence[tuple[Home, InferenceBundle]]
) -> ForecastSum:
    """The sum of sealed forecasts, opened under masks."""
    if len(proven) < FEWEST:
        raise SurplusError(
            f"day {day} has {len(proven)} forecasts of {quantity}: it takes {FEWEST} for a sum that shows nobody's"
        )
    vectors, bundles = {}, {}
    for home, bundle in proven:
        sealed = home.sealed(day, quantity)
        if sealed is None:
            raise SurplusError(f"{home.name} has proven a forecast of {quantity} that is not sealed in {home.folder}")
        vectors[bundle.household], bundles[bundle.household] = [*sealed.values, sealed.blinding], bundle
    opened, present = masked_total(community, f"surplus/{quantity}/{day}", vectors)
    return ForecastSum(tuple(bundles[household] for household in present), opened)


def keep(community: LocalCommunity, surplus: SurplusDay) -> None:
    """Keep a day where the server looks for it, and what of it its own people see with every home."""
    keep_day(community.config.api.surplus_dir, surplus, community.clock)
    for home in community.homes:
        keep_surplus(home.folder, shown(surplus, community.clock))
