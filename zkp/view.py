"""The wire format of a proof, and a view of it for people: every message by name, points and scalars in hexadecimal.

A proof is four bytes of header (kind and format version) and then exactly the messages that
`zkp.argument.protocol.check` asks for, in order and without anything between them: points of 48 bytes (compressed),
scalars of 32 (big-endian, below r). Counts follow from the public statement alone, so nothing in a proof says how
long it is.

`view` parses as strictly as the verifier does, and judges nothing: a false proof has a view, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from zkp import soundness
from zkp.algebra.curve import G1_BYTES
from zkp.algebra.field import SCALAR_BYTES
from zkp.algebra.srs import Setup, load_setup
from zkp.argument import protocol
from zkp.argument.relation import Relation
from zkp.argument.transcript import Transcript, VerifierChannel
from zkp.statements import allotted_energy, formats, green_share, inference, shared_energy, skill

Kind = Literal["points", "scalars"]
_SIZES: dict[Kind, int] = {"points": G1_BYTES, "scalars": SCALAR_BYTES}


@dataclass(frozen=True)
class Slot:
    """One message of the format: `count` points or scalars under a label."""

    label: str
    kind: Kind
    count: int

    @property
    def size(self) -> int:
        return self.count * _SIZES[self.kind]


def wire_format(relation: Relation) -> list[Slot]:
    """Every message of a proof of the relation, in order: what its verifier asks for."""
    asked = _Asked()
    protocol.check(relation, asked)
    return asked.slots


class _Asked(VerifierChannel):
    """The channel of a verifier that is to look at no proof: it notes what is asked for, and gives nothing."""

    def __init__(self) -> None:
        Transcript.__init__(self, "wire format")
        self.slots: list[Slot] = []

    def receive_scalars(self, label: str, count: int) -> list[int]:
        self.slots.append(Slot(label, "scalars", count))
        return [0] * count

    def receive_points(self, label: str, count: int) -> list[Any]:
        self.slots.append(Slot(label, "points", count))
        return [None] * count  # points are gathered in an equation that nobody looks at

    def finish(self) -> None:
        """There are no bytes that could be left."""


@dataclass(frozen=True)
class Message:
    """A message as it stands in a proof: where it begins, and its points or scalars as bytes."""

    label: str
    kind: Kind
    offset: int
    values: tuple[bytes, ...]


Statement = (
    inference.Statement
    | skill.Statement
    | green_share.Statement
    | shared_energy.Statement
    | allotted_energy.Statement
)
_KINDS: dict[type[Any], tuple[str, bytes, Callable[[Any, Setup], Relation]]] = {
    inference.Statement: ("inference", inference.HEADER, inference.relation),
    skill.Statement: ("skill", skill.HEADER, skill.relation),
    green_share.Statement: ("green share", green_share.HEADER, green_share.relation),
    shared_energy.Statement: ("shared energy", shared_energy.HEADER, shared_energy.relation),
    allotted_energy.Statement: ("allotted energy", allotted_energy.HEADER, allotted_energy.relation),
}


def messages(statement: Statement, proof: bytes, *, backend: str = "") -> list[Message]:
    """The messages of a proof. Raises MalformedProof where the bytes are not a proof of this kind of statement."""
    name, header, relation = _KINDS[type(statement)]
    setup = load_setup(backend)
    channel = VerifierChannel(name, setup.curve, formats.body(proof, header, name))
    out, offset = [], len(header)
    for slot in wire_format(relation(statement, setup)):
        receive = channel.receive_points if slot.kind == "points" else channel.receive_scalars
        receive(slot.label, slot.count)
        size = _SIZES[slot.kind]
        values = tuple(proof[k : k + size] for k in range(offset, offset + slot.size, size))
        out.append(Message(slot.label, slot.kind, offset, values))
        offset += slot.size
    channel.finish()
    return out


def view(statement: Statement, proof: bytes) -> dict[str, Any]:
    """The proof for people, ready for JSON; its header and its messages in a row are the proof again."""
    name, header, relation = _KINDS[type(statement)]
    return {
        "kind": name,
        "version": header[-1],
        "bytes": len(proof),
        "soundness_bits": round(soundness.bits(relation(statement, load_setup())), 1),
        "header": _hex(header),
        "messages": [_described(m) for m in messages(statement, proof)],
    }


def _described(message: Message) -> dict[str, Any]:
    return {
        "label": message.label,
        "offset": message.offset,
        "bytes": sum(map(len, message.values)),
        message.kind: [_hex(v) for v in message.values],
    }


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
