"""The chain, as peers of a training without a server see it (`fl.gossip.registry`), over the household's own node."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from fl.gossip.registry import Accepted, ChainAway, Drawn, Entry, Moment, Terms
from rewards.errors import NodeUnreachable
from rewards.gossip_client import GossipClient
from rewards.rpc_account import CallRefused


class ChainRegistry:
    """One member's. Seeds and accepted merges don't change once they are there: they are asked for once."""

    def __init__(self, client: GossipClient) -> None:
        self._client = client
        self._drawn: dict[int, Drawn] = {}
        self._accepted: dict[int, Accepted] = {}

    @property
    def own(self) -> bytes:
        return self._client.own

    def terms(self) -> Terms:
        with _away():
            ask = self._client.number
            community = self._client.word("COMMUNITY") or bytes(32)
            return Terms(
                community, ask("SEGMENTS"), ask("NUMBERS"), ask("EPOCHS"), ask("LEADER_S"), ask("COMMITTEE"),
                ask("PUBLISH_S") + ask("REVEAL_S"),
            )  # fmt: skip

    def moment(self) -> Moment:
        with _away():
            return Moment(*self._client.state())

    def members(self, count: int) -> Sequence[bytes]:
        with _away():
            return self._client.members(count)

    def gone(self, count: int) -> frozenset[int]:
        with _away():
            return frozenset(self._client.gone(count))

    def drawn(self, epoch: int) -> Drawn | None:
        if epoch not in self._drawn:
            with _away():
                seed, ask = self._client.word("seed_of", epoch), self._client.number
                if seed is None:
                    return None
                numbers = ask("members_at", epoch), ask("gone_at", epoch), ask("seeded_at", epoch)
            self._drawn[epoch] = Drawn(seed, *numbers)
        return self._drawn[epoch]

    def entry(self, epoch: int, member: bytes) -> Entry:
        with _away():
            return Entry(*self._client.entry_of(epoch, member))

    def proposal(self, epoch: int, leader: bytes) -> bytes | None:
        with _away():
            return self._client.proposal_of(epoch, leader)

    def accepted(self, epoch: int) -> Accepted | None:
        if epoch not in self._accepted:
            with _away():
                root = self._client.word("accepted", epoch)
                if root is None:
                    return None
                self._accepted[epoch] = Accepted(root, self._client.leader_of(epoch))
        return self._accepted[epoch]

    def last_accepted(self) -> int:
        with _away():
            return self._client.number("last_accepted")

    def open_challenges(self) -> int:
        with _away():
            return self._client.open_challenges()

    def is_challenged(self, epoch: int, member: bytes, segment: int) -> bool:
        with _away():
            return self._client.is_challenged(epoch, member, segment)

    def sign_root(self, epoch: int, root: bytes) -> bytes:
        return self._client.sign_root(epoch, root)

    def has_signed(self, member: bytes, epoch: int, root: bytes, signature: bytes) -> bool:
        return self._client.has_signed(member, epoch, root, signature)

    def advance(self) -> str:
        return _refusal(self._client.advance)

    def publish(self, epoch: int, root: bytes, secret: bytes) -> str:
        return _refusal(lambda: self._client.publish(epoch, root, secret))

    def reveal(self, epoch: int, secret: bytes) -> str:
        return _refusal(lambda: self._client.reveal(epoch, secret))

    def propose(self, epoch: int, rank: int, root: bytes) -> str:
        return _refusal(lambda: self._client.propose(epoch, rank, root))

    def attest(self, epoch: int, leader: bytes, draw: int, place: int) -> str:
        return _refusal(lambda: self._client.attest(epoch, leader, draw, place))

    def challenge(self, epoch: int, member: bytes, segment: int) -> str:
        return _refusal(lambda: self._client.challenge(epoch, member, segment))

    def answer(self, epoch: int, segment: int, block: bytes, path: Sequence[bytes]) -> str:
        return _refusal(lambda: self._client.answer(epoch, segment, block, path))

    def slash_unanswered(self, epoch: int, member: bytes, segment: int) -> str:
        return _refusal(lambda: self._client.slash_unanswered(epoch, member, segment))

    def slash_unrevealed(self, epoch: int, member: bytes) -> str:
        return _refusal(lambda: self._client.slash_unrevealed(epoch, member))

    def slash_two_roots(self, epoch: int, member: bytes, root: bytes, signature: bytes) -> str:
        return _refusal(lambda: self._client.slash_two_roots(epoch, member, root, signature))


def _refusal(call: Callable[[], None]) -> str:
    """Why the registry refused a call; empty where it did not."""
    try:
        with _away():
            call()
    except CallRefused as refused:
        return str(refused) or "refused"
    return ""


@contextmanager
def _away() -> Iterator[None]:
    try:
        yield
    except NodeUnreachable as away:
        raise ChainAway(str(away)) from away
