"""What answers a challenge of a forecast (`contracts/challenges.vy`). Loads no web3."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_utils.address import to_checksum_address

from zkp.algebra.commitment import DAY_HOURS
from zkp.evm.layout import Layout, encoded
from zkp.evm.points import ordinate
from zkp.statements.inference import Statement


@dataclass(frozen=True)
class Answer:
    """A forecast's inference proof, with the seven days as the meter signed them, oldest first: commitments, which
    hours were measured (bit h for hour h), signatures."""

    statement: Statement
    proof: bytes
    days: Sequence[bytes]
    signatures: Sequence[bytes]
    measured: Sequence[int]

    @property
    def arguments(self) -> tuple[Any, ...]:
        """What the contract's `answer` is called with. Raises MalformedProof for a point that is none."""
        statement, personal = self.statement, self.statement.personal is not None
        layout = Layout.of(statement.shape, personal=personal)
        points = (*self.days, statement.windows[0])
        return (
            to_checksum_address(statement.context.household), statement.context.day, personal,
            encoded(layout, statement, self.proof), b"".join(self.days), b"".join(self.signatures),
            b"".join(ordinate(point) for point in points),
            sum(mask << DAY_HOURS * k for k, mask in enumerate(self.measured)),
        )  # fmt: skip
