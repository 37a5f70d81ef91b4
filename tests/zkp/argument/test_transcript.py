"""Fiat-Shamir: a challenge depends on everything before it, on its order and on where one message ends."""

from collections.abc import Callable

import pytest
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from zkp.algebra.curve import IDENTITY, curve
from zkp.algebra.field import MODULUS
from zkp.algebra.srs import load_setup
from zkp.argument.transcript import PROTOCOL, ProverChannel, Transcript, VerifierChannel, encode_scalars
from zkp.errors import MalformedProof

labels = st.sampled_from(["a", "b", "rows/trace", "x" * 32])
messages = st.lists(st.tuples(labels, st.binary(max_size=6)), max_size=4)


def challenge_after(sent: list[tuple[str, bytes]], label: str = "c", protocol: str = "test") -> int:
    transcript = Transcript(protocol)
    for name, data in sent:
        transcript.absorb(name, data)
    return transcript.challenge(label)


def test_a_challenge_is_the_keccak_chain_that_the_file_describes() -> None:
    def framed(label: bytes, data: bytes) -> bytes:
        return label.ljust(32, b"\0") + len(data).to_bytes(8, "big") + data

    start = keccak(PROTOCOL) + framed(b"protocol", b"test") + framed(b"statement", b"\x01\x02")
    first = keccak(start + b"alpha".ljust(32, b"\0"))
    second = keccak(first + framed(b"answer", b"") + b"beta".ljust(32, b"\0"))
    transcript = Transcript("test")
    transcript.absorb("statement", b"\x01\x02")
    assert transcript.challenge("alpha") == int.from_bytes(first, "big") % MODULUS
    transcript.absorb("answer", b"")
    assert transcript.challenge("beta") == int.from_bytes(second, "big") % MODULUS


@given(messages, messages)
def test_different_messages_give_different_challenges(
    ours: list[tuple[str, bytes]], theirs: list[tuple[str, bytes]]
) -> None:
    """Data, labels, order, and where a message ends, all in one law."""
    assert (challenge_after(ours) == challenge_after(theirs)) == (ours == theirs)


ONE_MESSAGE = [("a", b"xy")]


@pytest.mark.parametrize(
    "other",
    [
        [("b", b"xy")],
        [("a", b"x"), ("a", b"y")],
        [("a", b""), ("a", b"xy")],
        [("a", b"xy"), ("a", b"")],
        [("a", b"xy\0")],
        [("ax", b"y")],
        [],
    ],
)
def test_messages_that_join_to_the_same_bytes_differ(other: list[tuple[str, bytes]]) -> None:
    assert challenge_after(other) != challenge_after(ONE_MESSAGE)


def test_a_challenge_depends_on_its_label_and_on_the_protocol() -> None:
    made = {challenge_after(ONE_MESSAGE, label, protocol) for label in ("c", "d") for protocol in ("test", "skill")}
    assert len(made) == 4


def test_challenges_in_a_row_differ_and_go_on_from_each_other() -> None:
    one, other = Transcript("test"), Transcript("test")
    drawn = one.challenges("c", 5)
    assert len(set(drawn)) == 5
    assert [other.challenge("c") for _ in range(5)] == drawn
    assert all(0 <= c < MODULUS for c in drawn)


def test_a_label_that_would_be_cut_off_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Transcript("test").absorb("x" * 33, b"")


# -- the two channels ------------------------------------------------------------------------------------------------


def honest() -> tuple[bytes, list[int]]:
    """Two scalars, a challenge, two points, a challenge."""
    setup = load_setup()
    channel = ProverChannel("test", setup.curve)
    channel.send_scalars("scalars", [3, -1])
    challenges = [channel.challenge("first")]
    channel.send_points("points", setup.powers(2)[:2])
    return channel.proof(), [*challenges, channel.challenge("second")]


def read(proof: bytes) -> list[int]:
    channel = VerifierChannel("test", curve(), proof)
    assert channel.receive_scalars("scalars", 2) == [3, MODULUS - 1]
    challenges = [channel.challenge("first")]
    channel.receive_points("points", 2)
    challenges.append(channel.challenge("second"))
    channel.finish()
    return challenges


def test_the_verifier_reads_what_was_sent_and_draws_the_same_challenges() -> None:
    proof, challenges = honest()
    assert len(proof) == 2 * 32 + 2 * 48
    assert read(proof) == challenges


@pytest.mark.parametrize("place", [65, 111, 150])
def test_a_changed_point_is_refused_or_changes_what_is_drawn_after_it(place: int) -> None:
    proof, challenges = honest()
    forged = bytearray(proof)
    forged[place] ^= 1
    try:
        drawn = read(bytes(forged))
    except MalformedProof:
        return
    assert drawn[0] == challenges[0] and drawn[1] != challenges[1]


BROKEN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut in a scalar": (lambda p: p[:40], "ends inside 'scalars'"),
    "cut between messages": (lambda p: p[:64], "ends inside 'points'"),
    "cut in a point": (lambda p: p[:-1], "ends inside 'points': 96 bytes expected, 95 left"),
    "nothing": (lambda p: b"", "ends inside 'scalars'"),
    "one byte more": (lambda p: p + b"\0", "1 bytes follow the end"),
    "a whole scalar more": (lambda p: p + bytes(32), "32 bytes follow the end"),
    "scalar plus the modulus": (lambda p: (3 + MODULUS).to_bytes(32, "big") + p[32:], "not canonical"),
    "identity for a point": (lambda p: p[:64] + IDENTITY + p[112:], "identity"),
}


@pytest.mark.parametrize("kind", list(BROKEN))
def test_bytes_that_are_not_the_messages_are_malformed(kind: str) -> None:
    forge, why = BROKEN[kind]
    with pytest.raises(MalformedProof, match=why):
        read(forge(honest()[0]))


@given(st.lists(st.integers(-(1 << 256), 1 << 256), max_size=4))
def test_scalars_are_written_reduced(values: list[int]) -> None:
    data = encode_scalars(values)
    assert [int.from_bytes(data[k : k + 32], "big") for k in range(0, len(data), 32)] == [v % MODULUS for v in values]
