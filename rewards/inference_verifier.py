"""The inference verifier on the chain: its parts, compiled from the verifier that everybody runs.

For a shape of model, with a personal head or without, there are stages of the compiled verifier, the sums of
fractions, and the entry that callers ask (`zkp.evm.entry`). The entry names the others, its community and the shape
in its own code, so that an auditor who knows its address alone can make all of it anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from eth_account.signers.local import LocalAccount

from rewards.chain import Chain
from rewards.compile import Artefact
from zkp.evm import assembler as evm
from zkp.evm import compiler, entry, fractions
from zkp.evm.compiler import Stage
from zkp.evm.layout import FEATURE, Layout, encoded
from zkp.lstm.integer_model import Shape
from zkp.lstm.weights import digest_prefix
from zkp.statements.inference import Statement

_ADDRESS, _PRECOMPILES = 20, 32


@dataclass(frozen=True)
class Parts:
    """What the verifier of a form of statement is made of."""

    layout: Layout
    stages: tuple[Stage, ...]
    fractions: bytes

    @property
    def codes(self) -> list[bytes]:
        """Of the contracts that the entry asks, in its order."""
        first, *others = (stage.code for stage in self.stages)
        return [first, self.fractions, *others]

    def entry(self, community: bytes, addresses: list[bytes]) -> bytes:
        """The entry's code; `addresses` of the others, in its order."""
        first, sums, *others = addresses
        return entry.compiled(self.layout, self.stages, community, [first, *others], sums)


@lru_cache(maxsize=8)
def parts(shape: Shape, *, personal: bool) -> Parts:
    made = Layout.of(shape, personal=personal)
    return Parts(made, tuple(compiler.stages(made.program)), fractions.compiled(made.program))


def call_data(statement: Statement, proof: bytes) -> bytes:
    """What the entry is asked with. Raises MalformedProof for a point that is none."""
    made = parts(statement.shape, personal=statement.personal is not None)
    return encoded(made.layout, statement, proof)


def form(shape: Shape, address: str, *, personal: bool) -> tuple[str, int, int, int, int]:
    """What `challenges.vy` knows of a verifier: its address, rows of the model and of the personal head, bytes of the
    features and of the proof."""
    made = parts(shape, personal=personal).layout
    own = sum(made.rows) - made.model_rows - 2
    return address, made.model_rows, own, FEATURE * made.features, made.at_ordinates - made.at_proof


def deploy_inference_verifier(
    chain: Chain, operator: LocalAccount, community: bytes, shape: Shape, *, personal: bool
) -> str:
    """Deploy all of it; the entry's address."""
    made = parts(shape, personal=personal)
    addresses = [_deployed(chain, operator, code) for code in made.codes]
    return _deployed(chain, operator, made.entry(community, [bytes.fromhex(a[2:]) for a in addresses]))


def _deployed(chain: Chain, operator: LocalAccount, code: bytes) -> str:
    return str(chain.deploy(operator, Artefact("inference_verifier", [], evm.creation(code).hex())).address)


def is_inference_verifier(chain: Chain, address: str, community: bytes, *, personal: bool) -> bool:
    """Whether this version's verifier of some shape stands there, with all that it asks, for this community."""
    code = _code(chain, address)
    shape, asked = _shape_in(code), list(_asked_by(code))
    if shape is None:
        return False
    made = parts(shape, personal=personal)
    if len(asked) != len(made.codes) or code != made.entry(community, asked):
        return False
    return all(_code(chain, "0x" + a.hex()) == known for a, known in zip(asked, made.codes, strict=True))


def shape_at(chain: Chain, address: str) -> Shape | None:
    """The shape of the model that a verifier is for; None where there is none."""
    return _shape_in(_code(chain, address))


def _code(chain: Chain, address: str) -> bytes:
    return bytes(chain.web3.eth.get_code(chain.web3.to_checksum_address(address)))


def _shape_in(code: bytes) -> Shape | None:
    """The shape that an entry hashes before a model's rows."""
    for known in (Shape(24, 1, 1, 1, 0), Shape(24, 1, 1, 1, 0, horizon=2), Shape(24, 1, 1, 1, 0, median=1)):
        size = 4 * len(known.sizes)
        name = digest_prefix(known)[:-size]
        found = code.find(name)
        sizes = code[found + len(name) :][:size]
        if found < 0 or len(sizes) < size:
            continue
        try:
            return Shape.of_sizes([int.from_bytes(sizes[k : k + 4], "big") for k in range(0, size, 4)])
        except ValueError:
            return None
    return None


def _asked_by(code: bytes) -> Iterator[bytes]:
    """Addresses that are asked: numbers pushed before the gas of a call, precompiles left out."""
    place, pushed = 0, b""
    while place < len(code) and code[place] != evm.RETURN:  # behind it is data
        size = max(0, code[place] - evm.PUSH0) if code[place] < evm.DUP1 else 0
        called = code[place : place + 2] == bytes([evm.GAS, evm.STATICCALL])
        if called and len(pushed) <= _ADDRESS and int.from_bytes(pushed, "big") >= _PRECOMPILES:
            yield pushed.rjust(_ADDRESS, b"\0")
        if size:
            pushed = code[place + 1 : place + 1 + size]
        place += 1 + size
