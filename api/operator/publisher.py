"""Publishes the model of a finished training while the server runs: on the chain, and for gateways to fetch.

The coordinator saves every round, but only the last of a training is used to forecast.
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from pathlib import Path

from api.operator.chain_session import ChainSession, publish_digest
from api.operator.community import Community
from api.operator.database.engine import put
from api.operator.database.tables import ExportRound
from api.operator.export_models import export_models_at, publish_export_model
from api.operator.retraining import last_round
from api.operator.trained_model import rounds_of
from api.operator.watching import watched
from api.protocol.bundle_parts import to_hex
from data.damage import whole
from data.quantity import Quantity
from fl.one_shot.kept import is_one_shot
from fl.store import RoundStore
from rewards.errors import ChainError

_log = logging.getLogger(__name__)
_EVERY_S = 5.0
_DIGEST_BYTES = 32


def finished_round(rounds: Path, last: int) -> tuple[int, bytes] | None:
    """Number and digest of the newest round, if it ends a training and its model is there.

    That is a training of `last` rounds, or a one-shot training.
    """
    store = RoundStore(rounds)
    numbers = store.rounds()
    if not numbers or not (store.path(numbers[-1]) / "published").exists():
        return None
    if numbers[-1] < last and not is_one_shot(store.load(numbers[-1]).report):
        return None
    path = store.path(numbers[-1]) / "digest"
    if not path.exists():
        return None
    with whole(path, "the digest of a model", "Keep it, and restart the coordinator: it writes the digest anew"):
        digest = bytes.fromhex(path.read_text(encoding="ascii"))
        if len(digest) != _DIGEST_BYTES:
            raise ValueError("cut off")
        return numbers[-1], digest


class Publisher:
    """Polls for a finished training and publishes it once."""

    quantity: Quantity = "load"

    def __init__(self, community: Community, chain_session: ChainSession) -> None:
        self._community, self._chain_session = community, chain_session
        self._done: tuple[int, bytes] | None = None
        self._last_refusal = ""

    def look(self) -> None:
        """Publish what is new. A refusal by the chain is logged once per reason, and retried."""
        rounds = rounds_of(self._community, self.quantity).directory
        found = finished_round(rounds, self._last_round(rounds))
        if found is None or found == self._done:
            return
        try:
            with self._chain_session.lock:
                self._publish(*found)
        except ChainError as error:
            if str(error) != self._last_refusal:
                context = {"quantity": self.quantity, "round": found[0], "reason": str(error)}
                _log.error("model not published", extra=context)
            self._last_refusal = str(error)
            return
        self._done = found
        context = {"quantity": self.quantity, "round": found[0], "digest": found[1].hex()}
        _log.info("model published", extra=context)

    def _last_round(self, rounds: Path) -> int:
        return last_round(rounds, self._community.config.federation)

    def _publish(self, number: int, digest: bytes) -> None:
        publish_digest(self._community, self._chain_session, number, digest)

    def watch(self) -> AbstractContextManager[None]:
        """Poll now and every few seconds while the block runs."""
        return watched(self.look, _EVERY_S, name="looking for a finished training", log=_log)


class ExportPublisher(Publisher):
    """The same for models of export, which have a registry of their own."""

    quantity: Quantity = "export"

    def _last_round(self, rounds: Path) -> int:
        return self._community.config.federation.of("export").rounds

    def _publish(self, number: int, digest: bytes) -> None:
        chain = self._chain_session.chain
        registry = export_models_at(chain, publish_export_model(self._community, chain, number, digest))
        moment = int(registry.functions.published_at(number).call())
        with self._community.sessions.begin() as session:
            put(session, ExportRound(number=number, digest=to_hex(digest), published_at=moment))
