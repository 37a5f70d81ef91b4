"""The wire format is what provers send, and the view for people loses nothing of it."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.zkp.cases import CASES, Honest, inference_case
from zkp.argument.transcript import ProverChannel
from zkp.errors import MalformedProof
from zkp.view import messages, view, wire_format

MORE: dict[str, Callable[[], Honest]] = {
    **CASES,
    "inference, two layers and two days": lambda: inference_case(2, 2),
    "inference, no personal head": lambda: inference_case(personal=False),
}


@pytest.fixture(scope="module", params=list(MORE))
def case(request: pytest.FixtureRequest) -> Honest:
    return MORE[request.param]()


def test_the_wire_format_is_what_the_prover_sends(case: Honest, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, str, int]] = []

    def watched(kind: str) -> Callable[[ProverChannel, str, Sequence[Any]], None]:
        send = getattr(ProverChannel, f"send_{kind}")

        def record(self: ProverChannel, label: str, values: Sequence[Any]) -> None:
            sent.append((label, kind, len(values)))
            send(self, label, values)

        return record

    for kind in ("points", "scalars"):
        monkeypatch.setattr(ProverChannel, f"send_{kind}", watched(kind))
    proof = case.prove()
    slots = wire_format(case.relation())
    assert [(s.label, s.kind, s.count) for s in slots] == sent
    assert len(proof) == len(case.module.HEADER) + sum(s.size for s in slots)


def test_the_view_is_json_and_joins_up_to_the_proof(case: Honest) -> None:
    shown = json.loads(json.dumps(view(case.statement, case.proof)))
    parts = [shown["header"], *(v for m in shown["messages"] for v in (m.get("points") or m["scalars"]))]
    assert b"".join(bytes.fromhex(p[2:]) for p in parts) == case.proof
    assert shown["bytes"] == len(case.proof) and shown["version"] == case.module.HEADER[-1]


def test_messages_say_where_they_stand(case: Honest) -> None:
    at = len(case.module.HEADER)
    for message in case.messages:
        assert message.offset == at
        for value in message.values:
            assert case.proof[at : at + len(value)] == value
            at += len(value)
    assert at == len(case.proof)


def test_a_false_proof_has_a_view_too(case: Honest) -> None:
    proof = bytearray(case.proof)
    proof[-1] ^= 1  # the last byte of a scalar
    assert view(case.statement, bytes(proof))["messages"] != view(case.statement, case.proof)["messages"]


@pytest.mark.parametrize(
    ("forge", "why"),
    [
        (lambda p: p[:-1], "ends inside 'opening/blinding'"),
        (lambda p: p + b"\0", "1 bytes follow"),
        (lambda p: p[:3] + b"\0" + p[4:], "of an older format"),
        (lambda p: p[:4] + bytes(48) + p[52:], "compressed"),
    ],
)
def test_what_is_no_proof_has_no_view(case: Honest, forge: Callable[[bytes], bytes], why: str) -> None:
    with pytest.raises(MalformedProof, match=why):
        messages(case.statement, forge(case.proof))
