"""What a session of vertical learning is: all that home, partner and coordinator have to agree on.

Its digest is in every key and signature of the session, so that no party can be given different terms.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, cast

from data.json_text import loads
from fl.secagg.session import framed
from fl.vertical.errors import VerticalRefused

LARGEST_CUT = 4
FEWEST_HOMES = 3
_PROTOCOL = b"wattproof vertical v1"


@dataclass(frozen=True)
class VerticalTerms:
    """Attributes:
    nonce: 16 bytes, drawn for this session.
    partner: its name; homes: theirs, sorted.
    columns: how many the partner has.
    first_day, end_day: community days to learn from, the last one excluded.
    fewest_homes: so many are in the sum that the ridge regression is made from.
    cut: values an hour that the partner's part gives.
    cut_norm, cut_noise: L2 norm they are clipped to, an hour; standard deviation of the noise, in units of it.
    gradient_norm, gradient_noise: the same for what a home gives back.
    dropout: part of the days that a home learns without the partner's values, so that it can do without them.
    batch_days, learning_rate, seed: of the split learning.
    """

    nonce: bytes
    partner: str
    homes: tuple[str, ...]
    columns: int
    first_day: int
    end_day: int
    fewest_homes: int = FEWEST_HOMES
    cut: int = 2
    cut_norm: float = 1.0
    cut_noise: float = 0.0
    gradient_norm: float = 1.0
    gradient_noise: float = 0.0
    dropout: float = 0.25
    batch_days: int = 32
    learning_rate: float = 0.01
    seed: int = 2026

    def __post_init__(self) -> None:
        """Raises VerticalRefused for terms that nobody should agree to."""
        positive = (self.cut_norm, self.gradient_norm, self.learning_rate)
        not_negative = (self.cut_noise, self.gradient_noise, self.dropout, self.seed)
        if list(self.homes) != sorted(set(self.homes)) or self.partner in self.homes:
            raise VerticalRefused("homes must be sorted and named once each, and the partner is none of them")
        if not self.fewest_homes >= FEWEST_HOMES:
            raise VerticalRefused(f"fewest_homes must be {FEWEST_HOMES} or more, not {self.fewest_homes}")
        if not 1 <= self.cut <= LARGEST_CUT:
            raise VerticalRefused(f"the cut has 1 to {LARGEST_CUT} values, not {self.cut}: more would be the columns")
        if not 1 <= self.columns <= 64 or not 1 <= self.batch_days <= 4096:
            raise VerticalRefused("1 to 64 columns, and 1 to 4096 days in a batch")
        if min(positive) <= 0 or min(not_negative) < 0 or self.dropout >= 1 or self.first_day >= self.end_day:
            raise VerticalRefused("norms, rates and days must be positive, noise not negative, dropout below 1")

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(framed(_PROTOCOL, self.to_bytes())).digest()

    def statement(self, what: bytes, *parts: bytes) -> bytes:
        """What is signed in this session, and says something of no other."""
        return framed(_PROTOCOL, what, self.digest, *parts)

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self), default=bytes.hex, sort_keys=True).encode()

    @staticmethod
    def from_bytes(data: object) -> VerticalTerms:
        """Raises VerticalRefused for anything else than `to_bytes` gives."""
        try:
            content: dict[str, Any] = loads(cast(bytes, data))
            content["nonce"], content["homes"] = bytes.fromhex(content["nonce"]), tuple(content["homes"])
            terms = VerticalTerms(**content)
            if terms.to_bytes() != data:
                raise TypeError("values of other types")
            return terms
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise VerticalRefused(f"the terms of the session are malformed ({type(problem).__name__})") from None
