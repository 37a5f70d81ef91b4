"""One sum under BFV as the coordinator leads it: it passes on sealed secrets, adds ciphertexts, and has homes
decrypt.

The coordinator has no key, so it can check neither what a home encrypted nor the total that homes report. Malformed
ciphertexts are left out; a total is accepted when three homes all report the same, otherwise when more than half of
all do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from flwr.app import ConfigRecord, RecordDict

from fl.homomorphic.ciphertexts import BlindSum, chunks_of
from fl.homomorphic.member import ChannelKey, SealedSecret, check_size, sum_statement
from fl.homomorphic.messages import (
    AGREE,
    CIPHERTEXTS,
    DIGEST,
    ENCRYPT,
    OPEN,
    SECRET,
    TOTAL,
    read_ciphertexts,
    read_secret,
    secret_record,
)
from fl.secagg.exchanges import Exchanges
from fl.secagg.messages import KEYS, SECAGG, SIGNATURE, SumTerms, read_bytes, stage_record
from fl.secagg.rings import Vector
from fl.secagg.session import MaskingRefused, Session, TooFewMembers

_OPENERS = 3


@dataclass
class EncryptedRound:
    """One sum, from its terms to the total; as `fl.secagg.exchanges.MaskedRound`.

    Attributes:
        exchanges: those of the attempt that it is asked in.
        agreed: who has signed who is in the sum.
    """

    exchanges: Exchanges
    terms: SumTerms
    session: Session
    agreed: dict[str, bytes] = field(default_factory=dict)
    _digest: bytes = b""
    _sum: list[bytes] = field(default_factory=list)
    _homes: tuple[str, ...] = ()
    _totals: dict[str, bytes] = field(default_factory=dict)  # the total, as each home says

    @property
    def settled(self) -> bool:
        """Whether homes were asked to agree: they may have, though no answer came back."""
        return bool(self._sum)

    def run(
        self, content: RecordDict, closed: list[bytes], before_mask: Callable[[], None], timeout: float
    ) -> tuple[Vector, tuple[str, ...]]:
        """The sum of the homes' vectors, and the homes in it; arguments as for `MaskedRound.run`.

        Raises MaskingRefused, of which TooFewMembers is a kind.
        """
        check_size(self.session)
        keys = self._ask_for_keys(closed)
        sealed = self._ask_for_secret(keys)
        before_mask()
        self._add(self._ask_for_ciphertexts(keys, sealed, content, timeout))
        return self.open()

    def open(self) -> tuple[Vector, tuple[str, ...]]:
        """The last two steps, which may be tried again: homes that have not signed are asked to, some decrypt."""
        self._ask_to_agree()
        return self.session.ring.from_bytes(self._total()), self._homes

    def _ask_for_keys(self, closed: list[bytes]) -> dict[str, ChannelKey]:
        def read(home: str, reply: RecordDict) -> ChannelKey:
            key = ChannelKey.from_bytes(read_bytes(reply, KEYS))
            key.check(self.session, home)
            return key

        terms = self.terms.to_bytes()
        asked = {
            home: RecordDict({SECAGG: ConfigRecord({"stage": KEYS, "home": home, "terms": terms, "closed": closed})})
            for home in self.session.members
        }
        keys = self.exchanges.ask(asked, read)
        self._enough(keys, "gave their keys")
        return keys

    def _ask_for_secret(self, keys: dict[str, ChannelKey]) -> SealedSecret:
        """The secret as one home has made it; the nonce says which, so that another attempt asks another home."""

        def read(home: str, reply: RecordDict) -> SealedSecret:
            sealed = read_secret(reply)
            if sealed.maker != home:
                raise MaskingRefused("it made the secret in another home's name")
            sealed.check(self.session, keys)
            return sealed

        homes = sorted(keys)
        maker = homes[int.from_bytes(self.terms.nonce, "big") % len(homes)]
        request = stage_record(SECRET, {home: key.to_bytes() for home, key in keys.items()})
        made = self.exchanges.ask({maker: RecordDict({SECAGG: request})}, read)
        if maker not in made:
            raise MaskingRefused(f"{maker} was to make the secret of the sum: {self.exchanges.left_out[maker]}")
        return made[maker]

    def _ask_for_ciphertexts(
        self, keys: Collection[str], sealed: SealedSecret, content: RecordDict, timeout: float
    ) -> dict[str, list[bytes]]:
        self._digest = sealed.digest

        def read(home: str, reply: RecordDict) -> list[bytes]:
            if read_bytes(reply, DIGEST) != sealed.digest:
                raise MaskingRefused("it has another secret than the other homes")
            return read_ciphertexts(reply)

        asked = {home: RecordDict({SECAGG: secret_record(ENCRYPT, sealed, home), **content}) for home in keys}
        return self.exchanges.ask(asked, read, timeout)

    def _add(self, ciphertexts: dict[str, list[bytes]]) -> None:
        total, homes = BlindSum(chunks_of(self.session.length + 1)), []
        for home, each in sorted(ciphertexts.items()):
            try:
                total.add(each)
                homes.append(home)
            except MaskingRefused as refused:
                self.exchanges.left_out[home] = str(refused)
        self._enough(homes, "sent a ciphertext")
        self._sum, self._homes = total.to_bytes(), tuple(homes)

    def _ask_to_agree(self) -> None:
        statement = sum_statement(self.session, self._digest, self._homes)

        def read(home: str, reply: RecordDict) -> bytes:
            signature = read_bytes(reply, SIGNATURE)
            self.session.check_signed(home, statement, signature)
            return signature

        request = RecordDict({SECAGG: stage_record(AGREE, dict.fromkeys(self._homes, b""))})
        missing = sorted(set(self._homes) - self.agreed.keys())
        self.agreed |= self.exchanges.ask(dict.fromkeys(missing, request), read)
        self._enough(self.agreed, "agreed on who is in the sum", self.session.threshold)

    def _total(self) -> bytes:
        """What homes say the sum is. Raises MaskingRefused where they don't agree, or none says anything."""
        first = sorted(self.agreed.keys() - self._totals.keys())[:_OPENERS]
        said = self._ask_to_open(first)
        if len(said) < min(_OPENERS, len(self._homes)) or len(set(said.values())) > 1:
            self._ask_to_open(sorted(self.agreed.keys() - self._totals.keys()))
        if not self._totals:
            raise TooFewMembers("no home has decrypted the sum: " + _reasons(self.exchanges.left_out, self.agreed))
        total, votes = Counter(self._totals.values()).most_common(1)[0]
        if 2 * votes <= len(self._totals):
            raise MaskingRefused("the homes say different things of what the sum is, none of them most of the homes")
        for home in [home for home, each in self._totals.items() if each != total]:
            self.exchanges.cheated(home, "it says another total than most homes, who have decrypted the same sum")
        return total

    def _ask_to_open(self, homes: Collection[str]) -> dict[str, bytes]:
        def read(home: str, reply: RecordDict) -> bytes:
            total = read_bytes(reply, TOTAL)
            try:
                fits = len(self.session.ring.from_bytes(total)) == self.session.length
            except ValueError:
                fits = False
            if not fits:
                raise MaskingRefused("it tells a total of another length than the sum's")
            return total

        record = stage_record(OPEN, self.agreed)
        record[CIPHERTEXTS] = self._sum
        said = self.exchanges.ask(dict.fromkeys(homes, RecordDict({SECAGG: record})), read) if homes else {}
        self._totals |= said
        return said

    def _enough(self, found: Collection[str], what: str, needed: int | None = None) -> None:
        needed = self.session.certain if needed is None else needed
        if len(found) < needed:
            raise TooFewMembers(f"{len(found)} of {len(self.session.members)} homes {what}, {needed} are needed")


def _reasons(left_out: dict[str, str], homes: Collection[str]) -> str:
    return "; ".join(sorted({left_out[home] for home in homes if home in left_out})) or "they gave no reason"
