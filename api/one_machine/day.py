"""One community day of all homes on this machine: heads pinned, forecasts proven and registered, claims made.

Every step can be repeated: what is sealed, proven or registered already is left as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from api.gateway import proving
from api.gateway.head_commitment import read_head_commitment, write_head_commitment
from api.gateway.home import Home
from api.gateway.not_forecast import HeadLost
from api.gateway.proof_folder import ProofFigures, ProofFolder
from api.gateway.prover import ProvableModel
from api.one_machine.community import LocalCommunity
from api.operator.chain_session import ChainSession, is_registered, keep_forecast, pinned_head, submit_arguments
from api.protocol.arithmetic import warm_up
from api.protocol.bundle import ClaimBundle, InferenceBundle
from api.protocol.bundle_parts import from_hex
from data.errors import DataError
from data.process_pool import ProcessPool
from data.quantity import Quantity
from rewards.errors import Refused
from zkp.errors import ProofError

Missed = Callable[[Home, Exception], None]
"""Called for a home that a step failed for; the others proceed."""


@contextmanager
def one_home(home: Home, missed: Missed | None) -> Iterator[None]:
    """Passes what the block raises for this one home to `missed`; raises it if `missed` is not given."""
    try:
        yield
    except (DataError, ProofError, Refused) as why:
        if missed is None:
            raise
        missed(home, why)


def pin_heads(
    community: LocalCommunity, chain_session: ChainSession, number: int, missed: Missed | None = None
) -> None:
    """Pin each home's personal head of a round, unless it has none or it is pinned, and record when."""
    for home in community.homes:
        with one_home(home, missed):
            _pin_head(chain_session, home, number)


def _pin_head(chain_session: ChainSession, home: Home, number: int) -> None:
    note = read_head_commitment(home.folder, number)
    if note is None:
        return
    registry = chain_session.contracts.forecast_registry.functions
    pinned = pinned_head(chain_session.contracts, home.wallet.address, number)
    if pinned is None:
        chain_session.chain.send(home.wallet, registry.pin_head(number, from_hex(note.digest)))
        pinned = pinned_head(chain_session.contracts, home.wallet.address, number)
        assert pinned is not None  # just now
    if pinned.digest != from_hex(note.digest):
        raise HeadLost(f"{home.name} has pinned another head to round {number} than the one in {home.folder}")
    write_head_commitment(home.folder, replace(note, pinned_at=pinned.pinned_at))


def prove_day(
    community: LocalCommunity,
    day: int,
    trained: ProvableModel,
    homes: Sequence[Home] | None = None,
    missed: Missed | None = None,
    quantity: Quantity = "load",
) -> Iterator[tuple[Home, InferenceBundle, ProofFigures | None]]:
    """Forecast and prove a day for every home, or for those given; yields each as soon as it is done, with its cost
    if known.

    Earlier proofs are read back; a new one is on disk before it is yielded. What keeps one home from a forecast
    (NotForecast, other DataError, ProofError) is passed to `missed`, or raised if that is not given.
    """
    kept = ProofFolder(community.config.api.proofs_of(quantity))
    waiting = []
    for home in community.homes if homes is None else homes:
        proof = None
        with one_home(home, missed):
            proof = kept.read(day, home.name)
            if proof is None:
                opened = community.opened(home, quantity)
                waiting.append((opened, opened.prepare(day, trained)))
        if proof is not None:
            yield home, proof, kept.figures(day, home.name)
    if not waiting:
        return
    with ProcessPool(community.config.api.workers, warm_up) as pool:
        proofs = [pool.submit(proving.make, prepared.job) for _, prepared in waiting]
        for (opened, prepared), made in zip(waiting, proofs, strict=True):
            done = None
            with one_home(opened.home, missed):
                done = opened.keep(prepared, made.result(), kept)
            if done is not None:
                yield opened.home, *done


def register(community: LocalCommunity, chain_session: ChainSession, home: Home, bundle: InferenceBundle) -> None:
    """The household's own transaction: commitment and proof hash, before the deadline. Raises Refused."""
    if not is_registered(chain_session, bundle):
        submit = chain_session.contracts.forecast_registry.functions.submit
        chain_session.chain.send(home.wallet, submit(*submit_arguments(bundle)))
    keep_forecast(community, bundle)


def make_claim(community: LocalCommunity, home: Home, day: int, round_number: int) -> ClaimBundle | None:
    """A home's claim for a day (`HouseholdProver.claim`); None if the forecast lost to a benchmark."""
    return community.opened(home).claim(day, round_number)
