"""The gossip registry as one member's node sees it, over JSON-RPC, and the member's own calls. Loads no web3."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eth_account import Account
from eth_account.messages import encode_intended_validator
from eth_account.signers.local import LocalAccount

from rewards.errors import NodeUnreachable
from rewards.gossip import commitment_of, sign_root
from rewards.json_rpc import JsonRpc, NodeError
from rewards.rpc_account import CallRefused, RpcAccount


class GossipClient:
    """Every method raises NodeUnreachable, without the node's URL; calls raise CallRefused.

    Args:
        most_fee: what one transaction may cost, in the chain's smallest unit.
    """

    def __init__(self, url: str, registry: str, account: LocalAccount, most_fee: int) -> None:
        self.registry, self.account = registry, account
        self._line = JsonRpc(url)
        self._sender = RpcAccount(self._line, account, most_fee)
        self._members: list[bytes] = []
        self._gone: list[int] = []

    @property
    def own(self) -> bytes:
        """The member's address, 20 bytes."""
        return bytes.fromhex(self.account.address[2:])

    def number(self, name: str, *arguments: int) -> int:
        """A public number of the contract, as `EPOCHS` or `seeded_at(uint32)`."""
        return int(self._view(_getter(name, arguments), *arguments, result=["uint256"])[0])

    def word(self, name: str, *arguments: int) -> bytes | None:
        """A public word of 32 bytes, as `seed_of(uint32)`; None for zero."""
        (found,) = self._view(_getter(name, arguments), *arguments, result=["bytes32"])
        return bytes(found) if any(found) else None

    def households(self) -> str:
        """The address of the contract whose households may join."""
        return str(self._view("HOUSEHOLDS()", result=["address"])[0])

    def is_household(self) -> bool:
        """Whether this member's household is enrolled there."""
        absent = f"forecast registry at {(to := self.households())}"
        return bool(
            self._line.view(to, "is_enrolled(address)", self.account.address, result=["bool"], absent=absent)[0]
        )

    def has_joined(self) -> bool:
        """Whether this member has ever joined."""
        return int(self._view("member_of(address)", self.account.address, result=["uint256", "uint32"])[1]) > 0

    def state(self) -> tuple[int, bool, int]:
        """Epoch, whether secrets are revealed, the chain's time; as the next call would find them."""
        epoch, revealing, moment = self._view("state()", result=["uint32", "bool", "uint256"])
        return int(epoch), bool(revealing), int(moment)

    def members(self, count: int) -> list[bytes]:
        """The first `count` that joined; what is known is not asked for again."""
        while len(self._members) < count:
            (page,) = self._view("members_from(uint256)", len(self._members), result=["address[]"])
            if not page:
                raise NodeUnreachable(f"{self._line.shown} knows fewer members than have joined; ask again later")
            self._members += [bytes.fromhex(str(member)[2:]) for member in page]
        return self._members[:count]

    def gone(self, count: int) -> list[int]:
        """Indices of the first `count` that left or were slashed."""
        while len(self._gone) < count:
            (page,) = self._view("gone_from(uint256)", len(self._gone), result=["uint32[]"])
            if not page:
                raise NodeUnreachable(f"{self._line.shown} knows fewer that are gone than are; ask again later")
            self._gone += [int(index) for index in page]
        return self._gone[:count]

    def entry_of(self, epoch: int, member: bytes) -> tuple[bytes | None, bool]:
        """The root that a member has published, None for none, and whether it has revealed."""
        ((root, _, secret),) = self._view(
            "entry_of(uint32,address)", epoch, _hex(member), result=["(bytes32,bytes32,bytes32)"]
        )
        return (bytes(root) if any(root) else None), any(secret)

    def proposal_of(self, epoch: int, leader: bytes) -> bytes | None:
        (root,) = self._view("proposal_of(uint32,address)", epoch, _hex(leader), result=["bytes32"])
        return bytes(root) if any(root) else None

    def leader_of(self, epoch: int) -> bytes:
        (leader,) = self._view("leader_of(uint32)", epoch, result=["address"])
        return bytes.fromhex(str(leader)[2:])

    def open_challenges(self) -> int:
        """Against this member."""
        values = ["uint256", "uint32", "uint32", "uint32", "uint32"]
        return int(self._view("member_of(address)", self.account.address, result=values)[3])

    def bond_of(self, member: bytes) -> int:
        """Zero: no member, or not any more."""
        return int(self._view("member_of(address)", _hex(member), result=["uint256"])[0])

    def is_challenged(self, epoch: int, member: bytes, segment: int) -> bool:
        """Whether a challenge is open, in time or not."""
        found = self._view(
            "challenges(uint32,address,uint32)", epoch, _hex(member), segment, result=["address", "uint256"]
        )
        return int(str(found[0]), 16) != 0

    def sign_root(self, epoch: int, root: bytes) -> bytes:
        return sign_root(self.account, self.registry, epoch, root)

    def has_signed(self, member: bytes, epoch: int, root: bytes, signature: bytes) -> bool:
        """Whether the signature is that member's, of this root."""
        content = encode_intended_validator(self.registry, epoch.to_bytes(32, "big") + root)
        try:
            return bytes.fromhex(str(Account.recover_message(content, signature=signature))[2:]) == member
        except Exception:  # noqa: BLE001 - whatever 65 strange bytes do to the library, they are no signature
            return False

    def join(self) -> None:
        self.send("join()", value=self.number("BOND"))

    def advance(self) -> None:
        self.send("advance()")

    def publish(self, epoch: int, root: bytes, secret: bytes) -> None:
        """Put down a root, and the commitment to a secret."""
        self.send("publish(uint32,bytes32,bytes32)", epoch, root, commitment_of(epoch, self.account.address, secret))

    def reveal(self, epoch: int, secret: bytes) -> None:
        self.send("reveal(uint32,bytes32)", epoch, secret)

    def propose(self, epoch: int, rank: int, root: bytes) -> None:
        self.send("propose(uint32,uint256,bytes32)", epoch, rank, root)

    def attest(self, epoch: int, leader: bytes, draw: int, place: int) -> None:
        self.send("attest(uint32,address,uint256,uint256)", epoch, _hex(leader), draw, place)

    def challenge(self, epoch: int, member: bytes, segment: int) -> None:
        deposit = self.number("DEPOSIT")
        self.send("challenge(uint32,address,uint32)", epoch, _hex(member), segment, value=deposit)

    def answer(self, epoch: int, segment: int, block: bytes, path: Sequence[bytes]) -> None:
        self.send("answer(uint32,uint32,bytes,bytes32[])", epoch, segment, block, list(path))

    def slash_unanswered(self, epoch: int, member: bytes, segment: int) -> None:
        self.send("slash_unanswered(uint32,address,uint32)", epoch, _hex(member), segment)

    def slash_unrevealed(self, epoch: int, member: bytes) -> None:
        self.send("slash_unrevealed(uint32,address)", epoch, _hex(member))

    def slash_two_roots(self, epoch: int, member: bytes, root: bytes, signature: bytes) -> None:
        self.send("slash_two_roots(uint32,address,bytes32,bytes)", epoch, _hex(member), root, signature)

    def withdraw(self) -> None:
        self.send("withdraw()")

    def send(self, signature: str, *values: Any, value: int = 0) -> None:
        """Make a call and wait until it is in a block. Raises CallRefused, before it costs anything where it can."""
        self._sender.send(self.registry, signature, *values, value=value)

    def _view(self, signature: str, *values: Any, result: list[str]) -> tuple[Any, ...]:
        absent = f"gossip registry at {self.registry}"
        try:
            return self._line.view(self.registry, signature, *values, result=result, absent=absent, block="pending")
        except NodeError as error:
            if error.is_refusal:
                raise CallRefused(error.text) from None
            raise


def _getter(name: str, arguments: Sequence[int]) -> str:
    return f"{name}({','.join(['uint32'] * len(arguments))})"


def _hex(member: bytes) -> str:
    return "0x" + member.hex()
