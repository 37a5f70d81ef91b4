"""The cheap checks before a proof is checked: who sends it, and whether it is new.

Requests from strangers end here. Only what a household has signed, or submits with its meter's public signatures for
a day that is not yet paid, reaches the queues behind.
"""

from __future__ import annotations

from eth_hash.auto import keccak
from sqlalchemy import select

from api.http.errors import ApiError
from api.http.raw_transactions import sender_of
from api.operator.chain_session import ChainSession, submit_arguments
from api.operator.community import Community
from api.operator.database.members import member, meters_of
from api.operator.database.tables import ExportForecast, ExportRound, Forecast, ModelRound, PaidClaim, Reward
from api.operator.export_forecasts import kept_export, model_in_force
from api.operator.green_shares import hours_of_day, kept_green
from api.protocol import bundle as bundles
from api.protocol.bundle_parts import from_hex, to_hex
from api.protocol.meters import meter_on
from data.errors import TableError
from data.quantity import Quantity
from rewards.chain import check_call
from rewards.green_rule import base_of
from zkp.errors import InvalidProof


def check_shape(community: Community, bundle: bundles.InferenceBundle) -> None:
    """Check that the proof's model has the community's sizes, which determine the cost of a check."""
    if tuple(bundle.weights.shape) != community.shape.sizes:
        raise ApiError(
            "unknown-shape",
            "the proof's model does not have this community's sizes: check it with `wattproof verify`", 422,
        )  # fmt: skip


def check_forecast(
    community: Community, chain_session: ChainSession, bundle: bundles.InferenceBundle, raw: bytes
) -> None:
    """Everything in a new forecast except its sender, its meter's signatures and its proof; `raw`: the transaction.

    Raises ApiError, InvalidStatement, Refused.
    """
    _check_new(community, bundle, Forecast)
    _check_of(community, bundle, "load")
    with community.sessions() as session:
        known = session.get(ModelRound, bundle.context.round)
    if known is None:
        raise ApiError("unknown-round", f"no model of round {bundle.context.round} is published", 409)
    _check_inputs(community, bundle, known.digest)
    check_call(
        raw, str(chain_session.contracts.forecast_registry.address), submit_call(chain_session, bundle), "submit"
    )


def check_export(community: Community, now: int, bundle: bundles.InferenceBundle) -> None:
    """Everything in a forecast of export except its proof. `now`: by the chain's clock, UTC seconds.

    No household signs it: the meter has signed the days that it is proven of, and the last of them nobody else has
    yet. Without that, strangers would fill the queue that forecasts of load wait in. Raises ApiError,
    InvalidStatement, MeterError.
    """
    _check_of(community, bundle, "export")
    _check_household(community, bundle)
    day, number = bundle.context.day, bundle.context.round
    if bundle.personal:
        raise ApiError("wrong-head", "a forecast of export is made without a personal head", 409)
    if now > community.start_of(day) + community.config.rewards.grace_seconds:
        raise ApiError("late-forecast", f"forecasts of day {day} are taken no more", 409)
    if kept_export(community, bundle.household, day) is not None:
        raise ApiError("duplicate-forecast", f"{bundle.household} has another forecast of export of day {day}", 409)
    _check_new(community, bundle, ExportForecast)
    with community.sessions() as session:
        known = session.get(ExportRound, number)
    if known is None:
        raise ApiError("unknown-round", f"no model of export of round {number} is published", 409)
    in_force = model_in_force(community, day)
    if in_force is None or in_force.number < number:
        raise ApiError(
            "late-round", f"the model of export of round {number} was published after day {day} began", 409
        )
    if in_force.number > number:
        raise ApiError("old-round", f"round {in_force.number} was in force when day {day} began", 409)
    _check_inputs(community, bundle, known.digest)
    bundle.signed_days()


def submit_call(chain_session: ChainSession, bundle: bundles.InferenceBundle) -> str:
    """The data of the transaction that registers a forecast."""
    return str(chain_session.contracts.forecast_registry.encode_abi("submit", args=submit_arguments(bundle)))


def check_sender(community: Community, bundle: bundles.InferenceBundle, raw: bytes) -> None:
    """Whether the household that the bundle is of, and that is enrolled, signed the transaction. Raises ApiError."""
    sender = sender_of(raw)
    if sender != bundle.household:
        raise ApiError(
            "other-household", f"the proof belongs to {bundle.household}, the transaction to {sender}", 403
        )
    _check_household(community, bundle)


def kept_forecast(community: Community, bundle: bundles.InferenceBundle) -> Forecast | None:
    """The record of this very bundle, byte for byte, if it was submitted before."""
    chosen = select(Forecast).where(Forecast.household == bundle.household, Forecast.day == bundle.context.day)
    with community.sessions() as session:
        row: Forecast | None = session.scalar(chosen)
    return row if row is not None and row.bundle == bundles.encode(bundle) else None


def _check_new(community: Community, bundle: bundles.InferenceBundle, table: type[Forecast | ExportForecast]) -> None:
    with community.sessions() as session:
        used = session.scalar(select(table.day).where(table.proof_hash == to_hex(bundle.proof_hash)))
    if used is not None:
        raise ApiError("replayed-proof", "this proof was submitted before, in another bundle", 409)


def _check_household(community: Community, bundle: bundles.Bundle) -> None:
    with community.sessions() as session:
        household = member(session, bundle.household)
        meters = {} if household is None else {bundle.household: meters_of(session, bundle.household)}
    if household is None:
        raise ApiError("unknown-household", f"{bundle.household} is not enrolled", 404)
    for day, signer in bundle.signers.items():
        if (meter := meter_on(meters, bundle.household, day)) != signer:
            raise ApiError(
                "wrong-meter", f"the meter of {bundle.household} on day {day} is {meter or 'none'}, not {signer}", 422
            )


def _check_of(community: Community, bundle: bundles.InferenceBundle, quantity: Quantity) -> None:
    if from_hex(bundle.context.community) != community.config.community.identifier:
        raise ApiError("other-community", "the proof is bound to another community", 403)
    if bundle.of != quantity:
        raise ApiError("other-quantity", f"the proof is of a forecast of {bundle.of}, not of {quantity}", 422)


def _check_inputs(community: Community, bundle: bundles.InferenceBundle, digest: str) -> None:
    """The public inputs: the model of this digest, and the features of the community's weather feed."""
    bundle.check_days()
    weights, steps, exogenous = bundle.public_inputs()
    if digest != to_hex(weights.digest()):
        raise ApiError("wrong-model", "the proof's weights are not those of its round", 422)
    check_shape(community, bundle)
    try:
        features = community.public_features(bundle.context.day, bundle.of)
    except TableError as error:
        raise ApiError(
            "no-weather", f"the community's weather feed does not reach that far yet: {error}", 409
        ) from error
    for mine, theirs in zip(features, (steps, exogenous), strict=True):
        if mine.shape != theirs.shape or (mine != theirs).any():
            raise ApiError("wrong-features", "the public features are not those of the community's weather feed", 422)


def check_claim(community: Community, bundle: bundles.ClaimBundle) -> None:
    """Check a claim against the database. Raises ApiError, InvalidProof."""
    if from_hex(bundle.context.community) != community.config.community.identifier:
        raise ApiError("other-community", "the claim is bound to another community", 403)
    _check_household(community, bundle)
    household, day = bundle.household, bundle.context.day
    with community.sessions() as session:
        paid = session.scalar(select(Reward).where(Reward.household == household, Reward.day == day))
        kept = session.get(PaidClaim, (household, day))
        forecast = session.scalar(select(Forecast).where(Forecast.household == household, Forecast.day == day))
    if paid is not None:
        again = paid.proof_hash == to_hex(keccak(from_hex(bundle.proof)))
        if kept is not None or not again:  # otherwise it is the claim that was taken, not stored yet
            raise ApiError("already-claimed", f"day {day} of {household} was claimed before", 409)
    if forecast is not None and (forecast.commitment, forecast.round) != (bundle.forecast, bundle.context.round):
        raise InvalidProof("the proof is about another forecast than the registered one")


def check_green_share(community: Community, bundle: bundles.GreenBundle) -> None:
    """Check a green share against the database. Raises ApiError, InvalidProof."""
    if from_hex(bundle.context.community) != community.config.community.identifier:
        raise ApiError("other-community", "the claim is bound to another community", 403)
    _check_household(community, bundle)
    household, day = bundle.household, bundle.context.day
    kept = kept_green(community, household, day)
    if kept is not None:
        again = kept.proof_hash == to_hex(keccak(from_hex(bundle.proof)))
        if kept.bundle is not None or not again:  # otherwise it is the claim that was taken, not stored yet
            raise ApiError("already-claimed", f"the green share of day {day} of {household} was claimed before", 409)
    weights = hours_of_day(community, day)
    if weights is None:
        raise ApiError("no-green-hours", f"no green hours of day {day} were registered before it started", 409)
    if tuple(bundle.weights) != weights:
        raise InvalidProof("the proof weighs the hours otherwise than they are registered")
    if bundle.tier <= (base := base_of(weights)):
        raise ApiError("not-green", f"a load that is the same in every hour has {base} percent on day {day}", 409)
