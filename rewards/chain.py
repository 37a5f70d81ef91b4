"""Access to a chain: an EVM inside this process (eth-tester, py-evm, Prague rules) or any node by its URL.

The embedded chain outlives the process: every signed transaction goes into a journal with its block's time, and a new
process replays the journal from the same genesis; one process at a time has it open. Its clock is this machine's, or
a standing one. Transactions are always signed here; keys never leave.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from eth._utils import headers
from eth.abc import ComputationAPI
from eth_account import Account
from eth_account._utils.legacy_transactions import Transaction
from eth_account.signers.local import LocalAccount
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_hash.auto import keccak
from eth_tester.exceptions import TransactionFailed
from eth_typing import BlockNumber, ChecksumAddress, HexStr
from eth_utils.address import to_checksum_address
from eth_utils.exceptions import ValidationError
from hexbytes import HexBytes
from rlp.exceptions import RLPException
from web3 import EthereumTesterProvider, Web3
from web3.contract import Contract
from web3.exceptions import Web3Exception, Web3RPCError
from web3.middleware import AttributeDictMiddleware
from web3.types import BlockIdentifier, TxParams, TxReceipt, Wei

from rewards.chain_errors import reading, reason_of, refusals, state_of
from rewards.compile import Artefact
from rewards.errors import ContractsLost, JournalUnwritable, NodeUnreachable, Refused, StaleTransaction, refused
from rewards.journal import Journal
from rewards.node import Node
from rewards.node_url import shown
from rewards.sent import note_sent
from rewards.signing import fair_price

log = logging.getLogger(__name__)
_BANK: LocalAccount = Account.from_key(keccak(b"wattproof embedded chain"))  # public: pays the embedded chain's gas
_PAIRING_CHECK = to_checksum_address(0x0F.to_bytes(20, "big"))
_FUNDS = 10**20
_GAS_MARGIN = 12, 10
_EMBEDDED_GAS = 16_000_000  # gas costs nobody anything there, and an estimate runs each call a dozen times
_CALLED_WITH = ("from", "to", "data", "gas", "value")
_RAISES = 6
RELAY_WAIT_S = 20.0
"""How long to wait for a relayed transaction; less than a gateway waits for its answer (30 s)."""


@dataclass
class Chain:
    """A chain and the gas its calls took.

    `follows`: the embedded chain's time is that of the clock `machine`; `wait_s`: how long a block is waited for;
    `first_id`: the id that a node answered with at first.
    """

    web3: Web3
    tester: Any = None
    journal: Journal | None = None
    follows: bool = False
    wait_s: float = 120.0
    gas: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    machine: Callable[[], float] = time.time
    first_id: int | None = None
    _clock: int = 0
    _classes: dict[str, tuple[Artefact, type[Contract]]] = field(default_factory=dict)

    @classmethod
    def embedded(
        cls,
        journal: Path | None = None,
        start_time: int = 1_500_000_000,
        *,
        follows: bool = False,
        now: Callable[[], float] = time.time,
    ) -> Chain:
        """An EVM in this process whose first block is of `start_time` (UTC seconds), played on from the journal.

        `follows`: its time is that of the clock `now`, UTC seconds. Raises ChainBusy while another process has that
        journal, JournalCorrupt.
        """
        from eth_tester import PyEVMBackend

        from rewards.embedded_backend import IndexedBackend, IndexedTester
        from rewards.evm_rules import rules

        genesis = PyEVMBackend.generate_genesis_params({"timestamp": start_time})
        bank = {"balance": 10**27, "nonce": 0, "code": b"", "storage": {}}
        # eth-tester calls from its own accounts where a call names none; they must be able to.
        state = PyEVMBackend.generate_genesis_state(num_accounts=1) | {bytes.fromhex(_BANK.address[2:]): bank}
        tester = IndexedTester(IndexedBackend(genesis, state, vm_configuration=rules()))
        # Nothing here has an ENS name or another chain's id; looking for both is most of a call.
        web3 = Web3(EthereumTesterProvider(tester), middleware=[(AttributeDictMiddleware, "attrdict")])
        web3.eth.default_account = tester.get_accounts()[0]  # or web3 asks for all of them, three times a call
        chain = cls(web3, tester)
        chain.reset_clock(start_time + 1)
        if journal is not None:
            opened = Journal(journal)
            try:
                chain._replay(opened)
            except BaseException:
                opened.close()
                raise
            chain.journal = opened
        chain.follows, chain.machine = follows, now
        return chain

    def close(self) -> None:
        """Release the embedded chain's journal, so that another process can continue it."""
        if self.journal is not None:
            self.journal.close()

    @classmethod
    def at(cls, url: str, timeout: float = 10) -> Chain:
        """A node by its URL. Raises NodeUnreachable."""
        chain = cls(Web3(Node(url, timeout)))
        try:
            block, chain.first_id = chain.web3.eth.block_number, chain.web3.eth.chain_id
        except (NodeUnreachable, Web3Exception) as error:
            raise NodeUnreachable(
                f"no chain node answers at {shown(url)}: start it, or correct rewards.rpc_url"
            ) from error
        log.info("chain node found", extra={"block": block, "chain_id": chain.first_id})
        return chain

    @property
    def now(self) -> int:
        """The chain's time, UTC seconds: that of the embedded chain's next block, or of a node's latest."""
        if self.tester is None:
            with reading("the chain's time"):
                return int(self.web3.eth.get_block("latest")["timestamp"])
        return max(self._clock, int(self.machine())) if self.follows else self._clock

    def reset_clock(self, moment: int) -> None:
        """Time of the embedded chain's next block.

        py-evm takes this machine's clock for the blocks it tries calls in, wherever one asks it to; so its own
        notion of now is set as well as the pending block.
        """
        self._clock = moment
        headers.eth_now = lambda: moment
        self.tester.backend.chain.set_header_timestamp(moment)

    @property
    def chain_id(self) -> int:
        with reading("its chain's id"):
            return int(self.web3.eth.chain_id)

    def check_id(self) -> None:
        """Raises ContractsLost where the node answers for another chain than it did at first."""
        if self.first_id is not None and (now := self.chain_id) != self.first_id:
            raise ContractsLost(
                f"the chain node answers for chain {now}, and did for chain {self.first_id} when this process "
                "started: start the node of that chain again, or correct rewards.rpc_url and restart"
            )

    @property
    def gas_price(self) -> int:
        """What a unit of gas costs now, in the chain's smallest unit."""
        with reading("the gas price"):
            suggested = int(self.web3.eth.gas_price)
            if self.tester is not None:  # always the same
                return suggested
            return fair_price(suggested, self.web3.eth.get_block("latest").get("baseFeePerGas"))

    @property
    def block(self) -> int:
        """The number of the latest block."""
        with reading("its latest block"):
            return int(self.web3.eth.block_number)

    def time_of(self, block: int) -> int:
        """A block's time, UTC seconds."""
        with reading("a block's time"):
            return int(self.web3.eth.get_block(BlockNumber(block))["timestamp"])

    @property
    def has_pairings(self) -> bool:
        """Whether the chain has the pairing of BLS12-381 (EIP-2537): that of two infinities is one."""
        with refusals("trying a precompile"):
            answer = self.web3.eth.call({"to": _PAIRING_CHECK, "data": HexBytes(bytes(128 + 256))})
        return int.from_bytes(answer, "big") == 1

    def has_code(self, address: str, block: int | None = None) -> bool:
        """Whether there is a contract at an address, at a block (the latest by default)."""
        with refusals("reading a contract's code"), state_of(block):
            at: BlockIdentifier = "latest" if block is None else BlockNumber(block)
            return len(self.web3.eth.get_code(to_checksum_address(address), at)) > 0

    def balance_of(self, address: str) -> int:
        """What an account has, in the chain's smallest unit."""
        with reading("an account's balance"):
            return int(self.web3.eth.get_balance(to_checksum_address(address)))

    def nonce_of(self, address: str) -> int:
        """How many transactions an account has sent, those not in a block yet included."""
        with reading("the nonce of an account"):
            return int(self.web3.eth.get_transaction_count(to_checksum_address(address), "pending"))

    def advance_to(self, moment: int) -> None:
        """Advance a standing clock to `moment`; any other chain keeps its own time."""
        if self.tester is not None and not self.follows and self.now < moment:
            self.reset_clock(moment)
            self._record({"time": moment})

    def _settle_clock(self) -> None:
        """Put the embedded chain's pending block at its time; calls and estimates move it."""
        if self.tester is not None:
            self.reset_clock(self.now)

    def fund(self, address: str) -> None:
        """Give an address of the embedded chain enough for gas; a real chain's accounts must bring their own."""
        if self.tester is not None and self.web3.eth.get_balance(to_checksum_address(address)) < _FUNDS // 2:
            self._submit(_BANK, {"to": address, "value": _FUNDS, "gas": 21_000}, "fund")

    def deploy(self, account: LocalAccount, artefact: Artefact, *arguments: Any) -> Contract:
        """Deploy a contract; waits for it."""
        factory = self.web3.eth.contract(abi=artefact.abi, bytecode=artefact.bytecode)
        receipt = self._transact(account, factory.constructor(*arguments), f"deploy {artefact.name}")
        return self.contract(artefact, str(receipt["contractAddress"]))

    def contract(self, artefact: Artefact, address: str) -> Contract:
        known, made = self._classes.get(artefact.name, (None, None))
        if made is None or known != artefact:  # web3 works on an ABI for milliseconds
            made = self.web3.eth.contract(abi=artefact.abi)
            self._classes[artefact.name] = artefact, made
        return made(to_checksum_address(address))

    def send(self, account: LocalAccount, call: Any, gas: int | None = None, value: int = 0) -> TxReceipt:
        """Send a contract call and wait for its receipt. Raises Refused (its subclasses) or NodeUnreachable.

        `gas`: a sufficient limit, for a call so expensive that it is simulated only once beforehand; `value`: the
        amount sent with it, in the chain's smallest unit.
        """
        return self._transact(account, call, str(call.fn_name), gas, value)

    def relay(self, raw: bytes, to: str, data: str, name: str) -> TxReceipt:
        """Relay a signed transaction, if it is this call of this contract. Raises Refused, and NodeUnreachable if it
        is not in a block soon: relaying it again later is harmless.
        """
        sender = check_call(raw, to, data, name)
        self._settle_clock()
        if self._is_known(raw, name):  # relayed before, by a server that stopped before its block
            return self._deliver(raw, name, RELAY_WAIT_S, known=True)
        call: TxParams = {"from": sender, "to": self.web3.to_checksum_address(to), "data": HexStr(data)}
        with refusals(name):
            if self.tester is None:
                self.web3.eth.estimate_gas(call)
            else:
                self.web3.eth.call(call | {"gas": _EMBEDDED_GAS}, "pending")
        return self._deliver(raw, name, RELAY_WAIT_S)

    def _is_known(self, raw: bytes, name: str) -> bool:
        if self.tester is not None:  # each of its transactions is in a block at once
            return False
        try:
            with refusals(name):
                self.web3.eth.get_transaction(HexBytes(keccak(raw)))
        except Refused:
            return False
        return True

    def _transact(
        self, account: LocalAccount, call: Any, name: str, gas: int | None = None, value: int = 0
    ) -> TxReceipt:
        self._settle_clock()
        sender: TxParams = {"from": account.address, "value": Wei(value)}
        with refusals(name):
            if gas is None and self.tester is None:
                gas = call.estimate_gas(sender) * _GAS_MARGIN[0] // _GAS_MARGIN[1]
                built = call.build_transaction(sender | {"gas": gas, "nonce": 0})
            else:
                built = call.build_transaction(sender | {"gas": gas or _EMBEDDED_GAS, "nonce": 0})
                if self.tester is None:  # a refusal is found before it costs anything
                    called = {key: built[key] for key in built if key in _CALLED_WITH}
                    self.web3.eth.call(cast(TxParams, called), "latest")
        return self._submit(account, built, name)

    def _submit(self, account: LocalAccount, transaction: dict[str, Any], name: str) -> TxReceipt:
        """Send with the account's next nonce that is in no block. A transaction of ours that waits with that nonce is
        replaced by this one, at a higher fee, so that none piles up behind one that is stuck."""
        fields = {k: v for k, v in transaction.items() if k in ("to", "value", "gas", "data")}
        fields |= {"nonce": self._mined_nonce(account.address), "chainId": self.chain_id}
        price = self.gas_price * 2
        for _ in range(_RAISES):
            signed = account.sign_transaction(fields | {"gasPrice": price})
            try:
                return self._deliver(bytes(signed.raw_transaction), name, ours=True)
            except StaleTransaction as stale:
                if not stale.can_be_outbid:
                    raise
                price *= 2  # nodes ask for 10 % more than what waits
        raise NodeUnreachable(f"a transaction waits that offers more than {price}: {name} is tried again later")

    def _mined_nonce(self, address: str) -> int:
        """How many transactions of an account are in blocks."""
        with reading("the nonce of an account"):
            return int(self.web3.eth.get_transaction_count(to_checksum_address(address), "latest"))

    def _deliver(
        self, raw: bytes, name: str, wait_s: float | None = None, *, known: bool = False, ours: bool = False
    ) -> TxReceipt:
        """`known`: it was sent before; `ours`: the embedded chain forgets it if it is refused."""
        self._settle_clock()
        moment, before = self._clock, self._head()
        with refusals(name):
            digest = HexBytes(keccak(raw))
            if self.tester is not None and ours:
                self._play(raw)
            elif not known:
                digest = self.web3.eth.send_raw_transaction(raw)
            note_sent(digest)
            receipt = self.web3.eth.wait_for_transaction_receipt(digest, timeout=wait_s or self.wait_s)
        # A transaction that fails is in a block all the same: it took the block's time and its sender's nonce.
        try:
            self._record({"time": moment, "raw": raw.hex()})
        except JournalUnwritable:
            self._go_back(before, moment)  # nothing may build on what a restart would not know
            raise
        if self.tester is not None:
            self.reset_clock(moment + 1)
        if receipt["status"] != 1:
            raise refused(name, "the transaction failed in its block")
        self.gas[name].append(int(receipt["gasUsed"]))
        return receipt

    def _play(self, raw: bytes) -> None:
        """Make the embedded chain's next block of one transaction; if it is refused, as if it was never sent.

        So each is executed once; to try it in a call beforehand would be to execute it twice.
        """
        chain = self.tester.backend.chain
        pending = chain.header
        done = self._apply(raw)
        if done.is_error:
            chain.header = pending
            raise TransactionFailed(reason_of(done.error))
        self.tester.backend.mine_blocks()

    def _apply(self, raw: bytes) -> ComputationAPI:
        """Execute a transaction in the embedded chain's pending block; how that went."""
        chain = self.tester.backend.chain
        _, _, done = chain.apply_transaction(chain.get_transaction_builder().decode(raw))
        return cast(ComputationAPI, done)

    def _record(self, entry: dict[str, Any]) -> None:
        if self.journal is not None:
            self.journal.append(entry)

    def _head(self) -> Any:
        """The embedded chain's last block."""
        return None if self.tester is None else self.tester.backend.take_snapshot()

    def _go_back(self, head: Any, moment: int) -> None:
        """Make `head` the embedded chain's last block again, and `moment` its time."""
        self.tester.backend.revert_to_snapshot(head)
        self.reset_clock(moment)

    def _replay(self, journal: Journal) -> None:
        for number, entry in journal:
            try:
                if "time" in entry:
                    self.reset_clock(int(entry["time"]))
                if "raw" in entry:
                    self._apply(bytes.fromhex(entry["raw"]))
                    self.tester.backend.mine_blocks()
                    self.reset_clock(self._clock + 1)
            except (ValueError, TypeError, RLPException, TransactionFailed, Web3RPCError, ValidationError) as error:
                raise journal.corrupt(number) from error


def check_call(raw: bytes, to: str, data: str, name: str) -> ChecksumAddress:
    """The sender of a transaction that makes exactly this call; raises Refused for another one."""
    transaction = TypedTransaction.from_bytes(HexBytes(raw)).as_dict() if raw[:1] < b"\x80" else _legacy(raw)
    if bytes(transaction["to"]) != bytes.fromhex(to[2:]) or bytes(transaction["data"]) != bytes.fromhex(data[2:]):
        raise refused(name, "the transaction makes another call than the request says")
    return to_checksum_address(Account.recover_transaction(raw))


def _legacy(raw: bytes) -> dict[str, Any]:
    """Fields of a legacy transaction."""
    fields: dict[str, Any] = Transaction.from_bytes(raw).as_dict()
    return fields
