"""A peer of a training without a server: what it does next follows from the chain and from what it keeps on disk.

Nobody tells it anything. It looks at the registry, and does what is due: publishes, reveals, merges, leads, attests,
answers challenges; in the end it takes the model that a committee has accepted. A peer that was away goes on with the
last accepted merge.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from data.errors import DataError
from data.failures import describe
from fl.aggregation.strategy import local_plan
from fl.errors import FederationError
from fl.gossip.blocks import Place, Published, merkle_path
from fl.gossip.duties import Duties
from fl.gossip.fixed_point import Fixed, from_fixed, to_fixed
from fl.gossip.folder import KeptEpoch, PeerFolder
from fl.gossip.metrics import PeerMetrics
from fl.gossip.registry import ChainAway, Moment, Registry, Terms
from fl.gossip.segments import Segments
from fl.gossip.shelf import Shelf
from fl.gossip.steps import Done, tell_nobody
from fl.gossip.transport import PeerLine
from fl.plan import LocalPlan
from fl.settings import FederationSettings
from fl.weights import Weights

_log = logging.getLogger(__name__)
Fit = Callable[[Weights, LocalPlan], Weights]
Keep = Callable[[int, Weights], None]
"""(epoch, model): what becomes of the model that the training has ended in."""


@dataclass
class Peer:
    """One member.

    Args:
        settings: the community's; all members must have the same (`check_terms`).
        start: the model of epoch 0.
        fit: trains; counts what it costs of privacy before anything of it can leave.
        keep: called with the training's model once it is accepted, and again after a restart.
        done: told of each step that has worked.
    """

    settings: FederationSettings
    start: Weights
    registry: Registry
    folder: PeerFolder
    shelf: Shelf
    line: PeerLine
    fit: Fit
    keep: Keep
    metrics: PeerMetrics
    done: Done = tell_nobody

    def __post_init__(self) -> None:
        self.terms: Terms = self.registry.terms()
        self._begun = to_fixed(self.start)
        self.segments = Segments(len(self._begun), self.settings.gossip.segments)
        check_terms(self.terms, self.segments, self.settings)
        self.duties = Duties(
            self.settings, self.registry, self.terms, self.segments, self.folder, self.shelf, self.line,
            self.done,
        )  # fmt: skip
        self.is_finished = False
        self._told = "", 0, ""
        self._put_back()

    def run(self, stop: threading.Event) -> None:
        """Do what is due until `stop` is set; after the end of the training serve what others may ask for."""
        poll, said = self.settings.deployment.poll_s, ""
        while not stop.is_set():
            acted, reason = False, ""
            try:
                acted = self.step()
            except (ChainAway, FederationError, DataError, OSError) as problem:  # also of its folder, or a full disk
                reason = describe(problem)
                if reason != said:
                    _log.error("nothing done", extra={"reason": reason})
            said = reason
            if not acted:
                stop.wait(poll)

    def step(self) -> bool:
        """One thing that is due, if there is any."""
        moment = self.registry.moment()
        self.metrics.saw(moment, self.line.bytes_in)
        self._answer_challenges(moment.epoch)
        acted = self.duties.attend(moment)
        if moment.epoch > self.terms.epochs:
            return self._finish() or acted
        if moment.revealing:
            return self._reveal(moment) or acted
        return self._publish(moment) or acted

    def _publish(self, moment: Moment) -> bool:
        """Train from the merge of the epoch before, and put the root of the blocks down."""
        epoch = moment.epoch
        if epoch == 0 or self.registry.entry(epoch, self.registry.own).root is not None:
            return False
        kept = self.folder.published(epoch)
        if kept is None:
            kept = KeptEpoch(self._trained(epoch, self.base(epoch)), secrets.token_bytes(32))
            self.folder.save_published(epoch, kept)
            self._forget(epoch)
        published, began = self._shelve(epoch, kept), time.time_ns()
        refused = self.registry.publish(epoch, published.root, kept.secret)
        self._tell("published", epoch, refused)
        if not refused:
            self.done("publish update", epoch, began)
        return not refused

    def base(self, epoch: int) -> Fixed:
        """The model that an epoch is trained from: the merge of the one before, or the newest that all agree to."""
        merged = self.duties.merged(epoch - 1)
        if merged is not None:
            return merged.model
        own = self.folder.last()
        accepted = self.registry.last_accepted()
        if accepted and (own is None or accepted > own[0]):
            model = self.duties.fetch_accepted(accepted)
            if model is not None:
                _log.info("caught up", extra={"epoch": accepted})
                return model
        return self._begun if own is None else own[1]

    def _trained(self, epoch: int, base: Fixed) -> Fixed:
        if epoch > self.settings.rounds:
            return base
        began = time.time_ns()
        trained = to_fixed(self.fit(from_fixed(base, self.start), local_plan(self.settings, epoch)))
        self.done("train at home", epoch, began)
        return trained

    def _reveal(self, moment: Moment) -> bool:
        epoch = moment.epoch
        entry, kept = self.registry.entry(epoch, self.registry.own), self.folder.published(epoch)
        if epoch == 0 or entry.root is None or entry.revealed or kept is None:
            return False
        began = time.time_ns()
        refused = self.registry.reveal(epoch, kept.secret)
        self._tell("revealed", epoch, refused)
        if not refused:
            self.done("reveal secret", epoch, began)
        return not refused

    def _tell(self, done: str, epoch: int, refused: str) -> None:
        """Log it, a refusal once: what was refused is tried again at each look, for ever where the bond is lost."""
        if (told := (done, epoch, refused)) != self._told:
            _log.log(logging.WARNING if refused else logging.INFO, done, extra={"epoch": epoch, "refused": refused})
        self._told = told

    def _answer_challenges(self, epoch: int) -> None:
        if not self.registry.open_challenges():
            return
        for asked in range(max(1, epoch - 2), epoch + 1):
            kept = self.folder.published(asked)
            for segment in range(self.segments.count) if kept is not None else ():
                if kept is not None and self.registry.is_challenged(asked, self.registry.own, segment):
                    began = time.time_ns()
                    own = Published.of(self._place(asked), kept.model, self.segments)
                    path = merkle_path(own.digests, segment)
                    refused = self.registry.answer(asked, segment, own.blocks[segment], path)
                    _log.info("challenge answered", extra={"epoch": asked, "segment": segment, "refused": refused})
                    if not refused:
                        self.done("answer challenge", asked, began)

    def _finish(self) -> bool:
        """Take the model of the last epoch, once it is accepted."""
        if self.is_finished:
            return False
        last, began = self.terms.epochs, time.time_ns()
        model = self.folder.final(last)
        if model is None:
            model = self.duties.fetch_accepted(last)
            if model is None:
                return False
            self.duties.check_agrees(last, model)
            self.folder.save_final(last, model)
        self.keep(last, from_fixed(model, self.start))
        self.is_finished = True
        self.metrics.finished.set(1)
        self.done("take model", last, began)
        _log.info("training finished", extra={"epoch": last})
        return True

    def _shelve(self, epoch: int, kept: KeptEpoch) -> Published:
        published = Published.of(self._place(epoch), kept.model, self.segments)
        self.shelf.put_published(epoch, published, self.registry.sign_root(epoch, published.root))
        return published

    def _forget(self, epoch: int) -> None:
        """Drop what nobody needs: challenges reach one epoch back, and who was away asks for the last accepted."""
        self.folder.forget_before(epoch - 2)
        self.shelf.forget_before(min(epoch - 2, self.registry.last_accepted()))

    def _put_back(self) -> None:
        """Serve again what was published before a restart."""
        epoch = self.registry.moment().epoch
        for earlier in range(max(1, epoch - 2), epoch + 1):
            kept = self.folder.published(earlier)
            if kept is not None:
                self._shelve(earlier, kept)

    def _place(self, epoch: int) -> Place:
        return Place(self.terms.community, epoch, self.registry.own)


def check_terms(terms: Terms, segments: Segments, settings: FederationSettings) -> None:
    """Raises FederationError where this peer's settings are not those of the training."""
    wanted = {
        "gossip.segments": (settings.gossip.segments, terms.segments),
        "numbers in a segment (the model's size)": (segments.size, terms.numbers),
        "rounds + gossip.settle_epochs": (settings.rounds + settings.gossip.settle_epochs, terms.epochs),
        "gossip.committee": (settings.gossip.committee, terms.committee),
    }
    odd = [f"{name} is {own} here and {on} on the chain" for name, (own, on) in wanted.items() if own != on]
    if odd:
        raise FederationError(f"this peer's settings are not those of the training: {'; '.join(odd)}")
