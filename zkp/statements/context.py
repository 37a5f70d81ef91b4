"""Whom and which day a proof is about. Absorbed before the first challenge, so that no proof can be replayed
elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from zkp.errors import InvalidStatement

COMMUNITY_BYTES = 32
HOUSEHOLD_BYTES = 20
CONTEXT_BYTES = COMMUNITY_BYTES + HOUSEHOLD_BYTES + 4 + 4


@dataclass(frozen=True)
class Context:
    """community: 32 bytes naming it; household: its 20-byte address; day: community day; round: model round."""

    community: bytes
    household: bytes
    day: int
    round: int

    def __post_init__(self) -> None:
        if len(self.community) != COMMUNITY_BYTES or len(self.household) != HOUSEHOLD_BYTES:
            raise InvalidStatement(
                f"a community is named by {COMMUNITY_BYTES} bytes and a household by {HOUSEHOLD_BYTES}, "
                f"not {len(self.community)} and {len(self.household)}"
            )
        if not 0 <= self.day < 1 << 32 or not 0 <= self.round < 1 << 32:
            raise InvalidStatement(f"day {self.day} or round {self.round} is not a 32-bit number")

    def encode(self) -> bytes:
        return self.community + self.household + self.day.to_bytes(4, "big") + self.round.to_bytes(4, "big")
