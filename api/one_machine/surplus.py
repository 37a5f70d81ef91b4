"""A day's surplus hours with all homes on this machine: forecasts of both quantities proven, both sums opened.

The forecasts of a day enter one sum of a quantity and no other: the difference of two sums, of nearly the same homes,
would be a home's own forecast. So what was opened stays as it is, and where the day's total of load was opened
(`wattproof forecast`), that is the sum of load.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from api.gateway.home import Home
from api.gateway.own_surplus import keep_surplus
from api.gateway.proof_folder import ProofFigures, ProofFolder
from api.one_machine.community import LocalCommunity
from api.one_machine.day import Missed, prove_day
from api.one_machine.totals import masked_total
from api.operator.database.tables import CommunityTotal
from api.operator.surplus_days import SurplusDays, keep_day
from api.operator.totals import kept_total
from api.operator.trained_model import TrainedModel
from api.protocol.bundle import InferenceBundle
from api.protocol.surplus import FEWEST, ForecastSum, SurplusDay, SurplusError, check, shown
from data.quantity import Quantity

OnProof = Callable[[Home, Quantity, ProofFigures | None], None]


def surplus_day(
    community: LocalCommunity,
    day: int,
    models: Mapping[Quantity, TrainedModel],
    missed: Missed | None = None,
    on_proof: OnProof = lambda home, quantity, figures: None,
) -> SurplusDay:
    """Prove every home's forecasts of a day, of load and of export, open both sums and check all of it.

    A day that is kept is taken as it is. Without a model of load its sum is the day's opened total: where forecasts
    are registered, `wattproof forecast` has to make them, which knows the round and the heads in force. A home whose
    table has no export is in the sum of load alone; one without a forecast of load is in neither. Raises SurplusError
    for fewer than three forecasts of either, TableError for readings without export, DamagedFile for a kept day.
    """
    kept = SurplusDays(community.config.api.surplus_dir, community.clock).kept(day)
    if kept is not None:
        check(kept)
        return kept
    known = set(community.readings_of("export")["unique_id"].unique())
    load = _registered(community, day)
    if load is None:
        if "load" not in models:
            raise SurplusError(f"the total of load of day {day} is not opened: run `wattproof forecast {day}` first")
        load = _proven(community, day, "load", models["load"], community.homes, missed, on_proof)
    able = [home for home in community.homes if home.name in known and home.wallet.address in load.households]
    export = _proven(community, day, "export", models["export"], able, missed, on_proof)
    found = SurplusDay(community.config.community.name, day, load, export)
    check(found)
    return found


def _registered(community: LocalCommunity, day: int) -> ForecastSum | None:
    """The day's opened total of load with the proofs behind it; None where it was not opened.

    Raises SurplusError where a proof of it is not on this machine.
    """
    with community.sessions() as database:
        opened = database.get(CommunityTotal, day)
    if opened is None:
        return None
    homes: dict[str, Home] = {home.wallet.address: home for home in community.homes}
    kept = ProofFolder(community.config.api.proofs_dir)
    bundles = []
    for household in opened.households:
        home = homes.get(household)
        bundle = None if home is None else kept.read(day, home.name)
        if bundle is None:
            raise SurplusError(f"{household} is in the total of load of day {day}, and its proof is not here")
        bundles.append(bundle)
    return ForecastSum(tuple(bundles), kept_total(opened))


def _proven(
    community: LocalCommunity,
    day: int,
    quantity: Quantity,
    model: TrainedModel,
    homes: Sequence[Home],
    missed: Missed | None,
    on_proof: OnProof,
) -> ForecastSum:
    """Every home's proof, and the sum of their forecasts."""
    proven: list[tuple[Home, InferenceBundle]] = []
    for home, bundle, figures in prove_day(community, day, model, homes, missed, quantity):
        on_proof(home, quantity, figures)
        proven.append((home, bundle))
    return _opened(community, day, quantity, proven)


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
