"""What a peer does in an epoch whose seed is drawn: it merges, leads in its turn, and recomputes another's merge.

A leader's merge is accepted only by recomputation: an attesting peer fetches what the leader says it has merged, and
merges it again. So a leader can be away, and can choose nothing but which of its neighbours could not be had; of
those that are left there must be enough to trim.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from fl.errors import FederationError
from fl.gossip.blocks import BlockRefused, Place, Published, block_bytes, cid_of, merkle_root
from fl.gossip.draws import DRAWS, committee, leader
from fl.gossip.epoch import merge_model
from fl.gossip.fixed_point import FRACTION_BITS, Fixed
from fl.gossip.folder import KeptMerge, PeerFolder
from fl.gossip.neighbourhood import Neighbourhood, merge_list_bytes
from fl.gossip.registry import Moment, Registry, Terms
from fl.gossip.segments import Segments
from fl.gossip.shelf import Shelf, masks_of, sources_in, split_list
from fl.gossip.steps import Done, tell_nobody
from fl.gossip.transport import PeerAway, PeerLine
from fl.settings import FederationSettings

_log = logging.getLogger(__name__)
_MOST_RANKS = 64  # leaders that are looked at in an epoch


@dataclass
class Duties:
    """One peer's; what it has found out of the last epochs is kept in memory, and its merges on disk."""

    settings: FederationSettings
    registry: Registry
    terms: Terms
    segments: Segments
    folder: PeerFolder
    shelf: Shelf
    line: PeerLine
    done: Done = tell_nobody
    _known: dict[int, Neighbourhood] = field(default_factory=dict)
    _judged: dict[tuple[int, bytes], bool] = field(default_factory=dict)  # (epoch, leader): whether its merge holds
    _attested: set[tuple[int, int]] = field(default_factory=set)  # (epoch, draw)
    _challenged: dict[tuple[int, bytes], int] = field(default_factory=dict)
    _unrevealed: set[int] = field(default_factory=set)
    _void: set[int] = field(default_factory=set)

    def attend(self, moment: Moment) -> bool:
        """Merge, lead and attest in the epoch before the open one; whether anything was done on the chain."""
        epoch = moment.epoch - 1
        self.shelf.open_until = epoch
        acted = self._slash(moment)
        if epoch < 1 or self.registry.accepted(epoch) is not None:
            return acted
        if self._hood(epoch) is None:
            return self._draw(epoch) or acted
        mine = self.merged(epoch)
        if mine is not None:
            acted = self._lead(epoch, moment, mine) or acted
        return self._attest(epoch, moment) or acted

    def _draw(self, epoch: int) -> bool:
        """Have the registry go on where the time to reveal is over; an epoch of too few has no seed then."""
        if epoch in self._void:
            return False
        if refused := self.registry.advance():
            if self._hood(epoch) is None:
                self._void.add(epoch)
                _log.warning("epoch without a seed", extra={"epoch": epoch, "refused": refused})
            return False
        return True

    def merged(self, epoch: int) -> KeptMerge | None:
        """This peer's merge of an epoch; None where it has published or revealed nothing, or there is no seed."""
        kept, own, hood = self.folder.merged(epoch), self.folder.published(epoch), self._hood(epoch)
        if hood is None or own is None:
            return kept
        number = hood.number_of(self.registry.own)
        if kept is None:
            if number is None or not self.registry.entry(epoch, self.registry.own).revealed:
                return None
            began = time.time_ns()
            model, sources = merge_model(
                number, own.model, hood.values, hood.topology, self.segments, self.settings.gossip
            )
            kept = KeptMerge(model, masks_of(sources, hood.neighbours(number)))
            self.folder.save_merged(epoch, kept)
            _log.info("merged", extra={"epoch": epoch, "values": sum(map(len, sources))})
            self.done("merge models", epoch, began, homes=hood.drawn.members)
        if number is not None and not self.shelf.has_list("merges", epoch):
            self._shelve(epoch, self.registry.own, kept)
        return kept

    def fetch_accepted(self, epoch: int) -> Fixed | None:
        """The merge that a committee has accepted, from its leader or from any member that has it."""
        accepted = self.registry.accepted(epoch)
        hood = self._hood(epoch)
        if accepted is None or hood is None:
            return None
        place = Place(self.terms.community, epoch, accepted.leader).merged()
        for member in [accepted.leader, *(m for m in hood.members if m not in (accepted.leader, self.registry.own))]:
            digests = self._merge_digests(epoch, member, accepted.root)
            if digests is None:
                continue
            rows = [self._merge_block(place, member, at, digest) for at, digest in enumerate(digests)]
            if all(row is not None for row in rows):
                return self.segments.join(np.stack([row for row in rows if row is not None]))
        _log.warning("accepted merge not to be had", extra={"epoch": epoch})
        return None

    def check_agrees(self, epoch: int, model: Fixed) -> None:
        """Raises FederationError where the accepted model is far from this peer's own of the last epoch."""
        own = self.merged(epoch)
        if own is not None and (apart := _apart(model, own.model)) > self.settings.gossip.tolerance:
            raise FederationError(
                f"the accepted model is {apart:.3f} from this peer's own in some weight, and gossip.tolerance is "
                f"{self.settings.gossip.tolerance:g}: it is not taken. If the members agree to it, raise the setting"
            )

    def challenge(self, epoch: int, member: bytes, segment: int) -> None:
        """Ask a peer on the chain for what it does not serve, once an epoch."""
        if (epoch, member) in self._challenged:
            return
        self._challenged[epoch, member] = segment
        refused = self.registry.challenge(epoch, member, segment)
        about = {"epoch": epoch, "peer": f"0x{member.hex()}", "segment": segment, "refused": refused}
        _log.warning("challenged", extra=about)

    def _slash(self, moment: Moment) -> bool:
        """Report those that have not answered this peer's challenges in time, and secrets that were withheld."""
        acted = False
        for (epoch, member), segment in list(self._challenged.items()):
            if self.registry.is_challenged(epoch, member, segment):
                if not self.registry.slash_unanswered(epoch, member, segment):
                    about = {"epoch": epoch, "peer": f"0x{member.hex()}", "segment": segment}
                    _log.warning("slashed for a block that was withheld", extra=about)
                    acted = True
            elif epoch < moment.epoch - 2:
                del self._challenged[epoch, member]
        epoch = moment.epoch - 1
        if epoch >= 1 and epoch not in self._unrevealed and (hood := self._hood(epoch)) is not None:
            self._unrevealed.add(epoch)
            number = hood.number_of(self.registry.own)
            near = [] if number is None else sorted(hood.topology.all_neighbours(number))
            for member in (hood.peers[other] for other in near):
                entry = self.registry.entry(epoch, member)
                if entry.root is not None and not entry.revealed:
                    acted = not self.registry.slash_unrevealed(epoch, member) or acted
        return acted

    def _lead(self, epoch: int, moment: Moment, mine: KeptMerge) -> bool:
        hood = self._known[epoch]
        drawn, own = hood.drawn, self.registry.own
        for rank in range(min(_MOST_RANKS, drawn.members)):
            if moment.time < drawn.at + rank * self.terms.leader_s:
                return False
            if hood.members[leader(drawn.seed, rank, drawn.members)] != own:
                continue
            if self.registry.proposal(epoch, own) is not None:
                return False
            root = Published.of(Place(self.terms.community, epoch, own).merged(), mine.model, self.segments).root
            began = time.time_ns()
            refused = self.registry.propose(epoch, rank, root)
            _log.info("proposed", extra={"epoch": epoch, "rank": rank, "refused": refused})
            if not refused:
                self.done("propose merge", epoch, began)
            return not refused
        return False

    def _attest(self, epoch: int, moment: Moment) -> bool:
        """Say of a leader's merge that it holds, once in each committee that this peer is in."""
        hood = self._known[epoch]
        drawn, own = hood.drawn, self.registry.own
        for draw in range(DRAWS):
            if moment.time < drawn.at + draw * self.terms.draw_s:
                return False
            chosen = [hood.members[at] for at in committee(drawn.seed, self.terms.committee, drawn.members, draw)]
            if own not in chosen or (epoch, draw) in self._attested:
                continue
            began = time.time_ns()
            if not self.registry.entry(epoch, own).revealed or (found := self._sound(epoch, moment)) is None:
                return False
            refused = self.registry.attest(epoch, found, draw, chosen.index(own))
            if not refused or "attested before" in refused:  # what failed is repeated
                self._attested.add((epoch, draw))
            _log.info(
                "attested", extra={"epoch": epoch, "leader": f"0x{found.hex()}", "draw": draw, "refused": refused}
            )
            if not refused:
                self.done("attest merge", epoch, began)
                return True
        return False

    def _sound(self, epoch: int, moment: Moment) -> bytes | None:
        """The first leader by rank whose merge holds; None where there is none yet."""
        hood = self._known[epoch]
        drawn = hood.drawn
        for rank in range(min(_MOST_RANKS, drawn.members)):
            if moment.time < drawn.at + rank * self.terms.leader_s:
                return None
            candidate = hood.members[leader(drawn.seed, rank, drawn.members)]
            root = self.registry.proposal(epoch, candidate)
            if root is None:
                continue
            if (epoch, candidate) not in self._judged:
                if (again := self.recomputed(epoch, candidate)) is None:
                    continue  # not to be had now; the next look may find more
                self._judged[epoch, candidate] = self._holds(epoch, candidate, root, again)
            if self._judged[epoch, candidate]:
                return candidate
        return None

    def _holds(self, epoch: int, candidate: bytes, root: bytes, again: KeptMerge) -> bool:
        """Whether a leader's merge is what its sources give, as recomputed here."""
        about = {"epoch": epoch, "leader": f"0x{candidate.hex()}"}
        published = self._shelve(epoch, candidate, again)
        if published.root != root:
            _log.error("wrong merge", extra=about)
            return False
        own = self.folder.merged(epoch)
        settled = epoch > self.settings.rounds + self.settings.gossip.settle_epochs // 2
        if settled and own is not None and _apart(own.model, again.model) > self.settings.gossip.tolerance:
            _log.error("merge is far from this peer's own", extra=about)
            return False
        return True

    def recomputed(self, epoch: int, member: bytes) -> KeptMerge | None:
        """The merge of any peer from what it and its neighbours have published; None where that can't be had."""
        hood = self._hood(epoch)
        number = None if hood is None else hood.number_of(member)
        if hood is None or number is None:
            return None
        if member == self.registry.own:
            return self.merged(epoch)
        try:
            told = self.line.get(member, f"/merges/{epoch}", merge_list_bytes(self.segments))
        except PeerAway:
            return None
        neighbours = hood.neighbours(number)
        _, masks = split_list(told, self.segments.count)
        sources = sources_in(masks, neighbours)
        if not _enough(sources, neighbours, self.settings.gossip.trim):
            return None
        own = [hood.values(number, segment) for segment in range(self.segments.count)]
        found = [hood.values(other, at) for at, used in enumerate(sources) for other in used]
        if any(values is None for values in [*own, *found]):
            return None
        model = self.segments.join(np.stack([values for values in own if values is not None]))
        again, _ = merge_model(
            number, model, lambda other, at: hood.values(other, at) if other in sources[at] else None,
            hood.topology, self.segments, self.settings.gossip,
        )  # fmt: skip
        return KeptMerge(again, masks_of(sources, neighbours))

    def _hood(self, epoch: int) -> Neighbourhood | None:
        if epoch in self._known or epoch < 1:
            return self._known.get(epoch)
        drawn = self.registry.drawn(epoch)
        if drawn is None:
            return None
        self._known[epoch] = Neighbourhood(
            epoch, drawn, self.registry, self.terms, self.segments, self.settings.gossip, self.line, self.shelf,
            self.settings.gossip.patience_s, self.challenge,
        )  # fmt: skip
        for old in [known for known in self._known if known < epoch - 2]:
            del self._known[old]
        return self._known[epoch]

    def _shelve(self, epoch: int, member: bytes, kept: KeptMerge) -> Published:
        """Serve a merge, this peer's own or one that it has recomputed; the list told is the own one."""
        published = Published.of(Place(self.terms.community, epoch, member).merged(), kept.model, self.segments)
        if member == self.registry.own:
            self.shelf.put_merged(epoch, published, kept.masks)
        else:
            self.shelf.put_recomputed(epoch, published, kept.masks)
        return published

    def _merge_digests(self, epoch: int, member: bytes, root: bytes) -> list[bytes] | None:
        for kind in ("merges", "recomputed"):
            path = f"/merges/{epoch}" if kind == "merges" else f"/recomputed/{epoch}/{root.hex()}"
            told = self.shelf.answer(path)
            if told is None:
                try:
                    told = self.line.get(member, path, merge_list_bytes(self.segments))
                except PeerAway:
                    continue
            digests, _ = split_list(told, self.segments.count)
            if merkle_root(digests) == root:
                return digests
        return None

    def _merge_block(self, place: Place, member: bytes, segment: int, digest: bytes) -> Fixed | None:
        size = self.segments.size
        try:
            data = self.shelf.block(digest) or self.line.get(member, f"/blocks/{cid_of(digest)}", block_bytes(size))
            return place.read(data, segment, size, digest)
        except (PeerAway, BlockRefused):
            return None


def _apart(one: Fixed, other: Fixed) -> float:
    return float(np.abs(one - other).max() * 2.0**-FRACTION_BITS)


def _enough(sources: Sequence[Sequence[int]], neighbours: Sequence[Sequence[int]], trim: int) -> bool:
    """Whether a merge has as many values as trimming takes, and those of half of the neighbours."""
    return all(
        len(used) + 1 >= 2 * trim + 1 and 2 * len(used) >= len(known)
        for used, known in zip(sources, neighbours, strict=True)
    )
