"""The gossip registry as one member's node sees it, over JSON-RPC, and the member's own calls. Loads no web3."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import httpx
from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_account import Account
from eth_account.messages import encode_intended_validator
from eth_account.signers.local import LocalAccount
from eth_hash.auto import keccak

from rewards.errors import NodeUnreachable
from rewards.gossip import commitment_of, sign_root
from rewards.node_url import shown
from rewards.signing import fair_price

_TIMEOUT_S, _WAIT_S, _POLL_S = 10.0, 120.0, 0.1
_PAGE = 500
_REVERTED = 3  # EIP-1474's code of a call that a contract refuses
_GAS_MARGIN = 12, 10


class CallRefused(Exception):
    """The registry refuses a call; the text is its reason."""


class GossipClient:
    """Every method raises NodeUnreachable, without the node's URL; calls raise CallRefused.

    Args:
        most_fee: what one transaction may cost, in the chain's smallest unit.
    """

    def __init__(self, url: str, registry: str, account: LocalAccount, most_fee: int) -> None:
        self.registry, self.account = registry, account
        self._url, self._most_fee = url, most_fee
        self._line = httpx.Client(timeout=_TIMEOUT_S)
        self._members: list[bytes] = []
        self._gone: list[int] = []

    @property
    def own(self) -> bytes:
        """The member's address, 20 bytes."""
        return bytes.fromhex(self.account.address[2:])

    def number(self, name: str, *arguments: int) -> int:
        """A public number of the contract, as `EPOCHS` or `seeded_at(uint32)`."""
        types = ["uint32"] * len(arguments)
        return int(self._view(f"{name}({','.join(types)})", types, list(arguments), ["uint256"])[0])

    def word(self, name: str, *arguments: int) -> bytes | None:
        """A public word of 32 bytes, as `seed_of(uint32)`; None for zero."""
        types = ["uint32"] * len(arguments)
        (found,) = self._view(f"{name}({','.join(types)})", types, list(arguments), ["bytes32"])
        return bytes(found) if any(found) else None

    def state(self) -> tuple[int, bool, int]:
        """Epoch, whether secrets are revealed, the chain's time; as the next call would find them."""
        epoch, revealing, moment = self._view("state()", [], [], ["uint32", "bool", "uint256"])
        return int(epoch), bool(revealing), int(moment)

    def members(self, count: int) -> list[bytes]:
        """The first `count` that joined; what is known is not asked for again."""
        while len(self._members) < count:
            (page,) = self._view("members_from(uint256)", ["uint256"], [len(self._members)], ["address[]"])
            if not page:
                raise NodeUnreachable(f"{shown(self._url)} knows fewer members than have joined; ask again later")
            self._members += [bytes.fromhex(str(member)[2:]) for member in page]
        return self._members[:count]

    def gone(self, count: int) -> list[int]:
        """Indices of the first `count` that left or were slashed."""
        while len(self._gone) < count:
            (page,) = self._view("gone_from(uint256)", ["uint256"], [len(self._gone)], ["uint32[]"])
            if not page:
                raise NodeUnreachable(f"{shown(self._url)} knows fewer that are gone than are; ask again later")
            self._gone += [int(index) for index in page]
        return self._gone[:count]

    def entry_of(self, epoch: int, member: bytes) -> tuple[bytes | None, bool]:
        """The root that a member has published, None for none, and whether it has revealed."""
        ((root, _, secret),) = self._view(
            "entry_of(uint32,address)", ["uint32", "address"], [epoch, _hex(member)], ["(bytes32,bytes32,bytes32)"]
        )
        return (bytes(root) if any(root) else None), any(secret)

    def proposal_of(self, epoch: int, leader: bytes) -> bytes | None:
        arguments = [epoch, _hex(leader)]
        (root,) = self._view("proposal_of(uint32,address)", ["uint32", "address"], arguments, ["bytes32"])
        return bytes(root) if any(root) else None

    def leader_of(self, epoch: int) -> bytes:
        (leader,) = self._view("leader_of(uint32)", ["uint32"], [epoch], ["address"])
        return bytes.fromhex(str(leader)[2:])

    def open_challenges(self) -> int:
        """Against this member."""
        values = ["uint256", "uint32", "uint32", "uint32", "uint32"]
        found = self._view("member_of(address)", ["address"], [self.account.address], values)
        return int(found[3])

    def bond_of(self, member: bytes) -> int:
        """Zero: no member, or not any more."""
        return int(self._view("member_of(address)", ["address"], [_hex(member)], ["uint256"])[0])

    def is_challenged(self, epoch: int, member: bytes, segment: int) -> bool:
        """Whether a challenge is open, in time or not."""
        types = ["uint32", "address", "uint32"]
        found = self._view(
            "challenges(uint32,address,uint32)", types, [epoch, _hex(member), segment], ["address", "uint256"]
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
        self.send("join()", [], [], value=self.number("BOND"))

    def advance(self) -> None:
        self.send("advance()", [], [])

    def publish(self, epoch: int, root: bytes, secret: bytes) -> None:
        """Put down a root, and the commitment to a secret."""
        commitment = commitment_of(epoch, self.account.address, secret)
        self.send("publish(uint32,bytes32,bytes32)", ["uint32", "bytes32", "bytes32"], [epoch, root, commitment])

    def reveal(self, epoch: int, secret: bytes) -> None:
        self.send("reveal(uint32,bytes32)", ["uint32", "bytes32"], [epoch, secret])

    def propose(self, epoch: int, rank: int, root: bytes) -> None:
        self.send("propose(uint32,uint256,bytes32)", ["uint32", "uint256", "bytes32"], [epoch, rank, root])

    def attest(self, epoch: int, root: bytes, place: int) -> None:
        self.send("attest(uint32,bytes32,uint256)", ["uint32", "bytes32", "uint256"], [epoch, root, place])

    def challenge(self, epoch: int, member: bytes, segment: int) -> None:
        types = ["uint32", "address", "uint32"]
        arguments = [epoch, _hex(member), segment]
        self.send("challenge(uint32,address,uint32)", types, arguments, value=self.number("DEPOSIT"))

    def answer(self, epoch: int, segment: int, block: bytes, path: Sequence[bytes]) -> None:
        types = ["uint32", "uint32", "bytes", "bytes32[]"]
        self.send("answer(uint32,uint32,bytes,bytes32[])", types, [epoch, segment, block, list(path)])

    def slash_unanswered(self, epoch: int, member: bytes, segment: int) -> None:
        types = ["uint32", "address", "uint32"]
        self.send("slash_unanswered(uint32,address,uint32)", types, [epoch, _hex(member), segment])

    def slash_unrevealed(self, epoch: int, member: bytes) -> None:
        self.send("slash_unrevealed(uint32,address)", ["uint32", "address"], [epoch, _hex(member)])

    def slash_two_roots(self, epoch: int, member: bytes, root: bytes, signature: bytes) -> None:
        types = ["uint32", "address", "bytes32", "bytes"]
        self.send("slash_two_roots(uint32,address,bytes32,bytes)", types, [epoch, _hex(member), root, signature])

    def withdraw(self) -> None:
        self.send("withdraw()", [], [])

    def send(self, signature: str, types: list[str], values: list[Any], value: int = 0) -> None:
        """Make a call and wait until it is in a block. Raises CallRefused, before it costs anything where it can."""
        data = "0x" + (keccak(signature.encode())[:4] + encode(types, values)).hex()
        call = {"from": self.account.address, "to": self.registry, "data": data, "value": hex(value)}
        gas = self._integer("eth_estimateGas", call, "pending") * _GAS_MARGIN[0] // _GAS_MARGIN[1]
        price = 2 * fair_price(self._integer("eth_gasPrice"), self._base_fee())
        if gas * price > self._most_fee:
            raise CallRefused(f"it would cost {gas * price}, and a transaction may cost {self._most_fee}")
        fields: dict[str, Any] = {
            "to": self.registry, "data": data, "value": value, "gas": gas, "gasPrice": price,
            "nonce": self._integer("eth_getTransactionCount", self.account.address, "pending"),
            "chainId": self._integer("eth_chainId"),
        }  # fmt: skip
        raw = bytes(self.account.sign_transaction(fields).raw_transaction)
        self._settled(str(self._ask("eth_sendRawTransaction", "0x" + raw.hex())))

    def _settled(self, digest: str) -> None:
        until = time.monotonic() + _WAIT_S
        while (receipt := self._ask("eth_getTransactionReceipt", digest)) is None:
            if time.monotonic() > until:
                raise NodeUnreachable(f"a transaction is in no block after {_WAIT_S:.0f} s; ask again later")
            time.sleep(_POLL_S)
        if int(str(receipt.get("status", "0x0")), 16) != 1:
            raise CallRefused("the transaction failed in its block")

    def _view(self, signature: str, types: list[str], values: list[Any], result: list[str]) -> tuple[Any, ...]:
        data = keccak(signature.encode())[:4] + encode(types, values)
        answer = self._ask("eth_call", {"to": self.registry, "data": "0x" + data.hex()}, "pending")
        try:
            return tuple(decode(result, bytes.fromhex(str(answer).removeprefix("0x"))))
        except (ValueError, DecodingError) as error:
            raise NodeUnreachable(f"{shown(self._url)} knows no gossip registry at {self.registry}") from error

    def _base_fee(self) -> int | None:
        block = self._ask("eth_getBlockByNumber", "latest", False)
        fee = block.get("baseFeePerGas") if isinstance(block, dict) else None
        return None if fee is None else int(str(fee), 16)

    def _integer(self, method: str, *arguments: Any) -> int:
        try:
            return int(str(self._ask(method, *arguments)), 16)
        except ValueError as error:
            raise NodeUnreachable(f"{shown(self._url)} gives no number for {method}") from error

    def _ask(self, method: str, *arguments: Any) -> Any:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(arguments)}
        try:
            answer = json.loads(self._line.post(self._url, json=request).raise_for_status().content)
            problem = answer.get("error")
            if problem is None:
                return answer["result"]
            code, text = problem.get("code"), str(problem.get("message", ""))
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, AttributeError, RecursionError) as error:
            # Not `from error`: the library's message quotes the URL.
            raise NodeUnreachable(f"no answer to {method} from {shown(self._url)} ({type(error).__name__})") from None
        if code == _REVERTED or "revert" in text or "nonce" in text:
            raise CallRefused(text.removeprefix("execution reverted: ")[:200])
        raise NodeUnreachable(f"{shown(self._url)} fails at {method} (error {code})")


def _hex(member: bytes) -> str:
    return "0x" + member.hex()
