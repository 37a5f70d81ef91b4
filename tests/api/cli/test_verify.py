"""`wattproof verify` and `wattproof show`: a bundle in words, and each way in which one can be wrong."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from api.cli.main import app
from api.cli.terminal import FAILED, REFUSED
from api.protocol.bundle import Bundle, ClaimBundle, InferenceBundle, encode
from tests.api.conftest import DAY, Village
from tests.support.commands import CliRunner

pytestmark = pytest.mark.slow

Change = Callable[[Any, Any], dict[str, Any]]


def run(command: str, folder: Path, bundle: Bundle, *options: str) -> tuple[int, str]:
    path = folder / "bundle.json"
    path.write_bytes(encode(bundle))
    result = CliRunner().invoke(app, [command, str(path), *options])
    return result.exit_code, " ".join(result.output.split())


def flipped(proof: str, place: int) -> str:
    """The proof with the last bit of one byte changed, counted from the end."""
    data = bytearray.fromhex(proof[2:])
    data[place] ^= 1
    return "0x" + data.hex()


HELD = ("Signed by meter 0x", "All public inputs are present", "The proof is valid")
SIGNED, PUBLIC, PROVEN = "NOT signed by meter 0x", "The public inputs are incomplete", "The proof is NOT valid"
NOBODY, OUT_OF_SHAPE, DAMAGED, FALSE, OLDER = (
    "It is unknown",
    "public inputs are malformed",
    "were damaged",
    "The proof is complete",
    "made by an older release",
)


def older(proof: str) -> str:
    """The proof with the version before this one in its header."""
    return proof[:8] + f"{int(proof[8:10], 16) - 1:02x}" + proof[10:]


BROKEN: dict[str, tuple[Change, str, str, str]] = {
    # what is changed, the check that fails, why, what it means
    "another meter": (lambda m, o: {"meter": o.meter}, SIGNED, "signed by", NOBODY),
    "another day's signature": (
        lambda m, o: {"history": [m.history[1].model_copy(update={"day": m.history[0].day}), *m.history[1:]]},
        SIGNED, "signed by", NOBODY,
    ),
    "days out of order": (lambda m, o: {"history": m.history[::-1]}, SIGNED, "7 days before day", OUT_OF_SHAPE),
    "a day missing": (lambda m, o: {"history": m.history[1:]}, SIGNED, "7 days before day", OUT_OF_SHAPE),
    "features out of range": (
        lambda m, o: {"exogenous": [10_000, *m.exogenous[1:]]}, PUBLIC, "outside [-2, 2]", OUT_OF_SHAPE,
    ),
    "features missing": (lambda m, o: {"exogenous": m.exogenous[1:]}, PUBLIC, "must be int64", OUT_OF_SHAPE),
    "a model without its shape": (
        lambda m, o: {"weights": m.weights.model_copy(update={"shape": [24]})}, PUBLIC, "malformed", OUT_OF_SHAPE,
    ),
    "a proof cut off": (lambda m, o: {"proof": m.proof[:-2]}, PROVEN, "ends inside 'opening/blinding'", DAMAGED),
    "a proof too long": (lambda m, o: {"proof": m.proof + "00"}, PROVEN, "follow the end", DAMAGED),
    "an older version": (lambda m, o: {"proof": older(m.proof)}, PROVEN, "of an older format (3;", OLDER),
    "a later version": (lambda m, o: {"proof": flipped(m.proof, 3)}, PROVEN, "upgrade", DAMAGED),
    "a point off the curve": (
        lambda m, o: {"proof": m.proof[:-160] + "9" + "f" * 95 + m.proof[-64:]}, PROVEN, "not canonical", DAMAGED,
    ),
    "a scalar changed": (lambda m, o: {"proof": flipped(m.proof, -1)}, PROVEN, "do not open", FALSE),
    "another home's forecast": (lambda m, o: {"forecast": o.forecast}, PROVEN, "do not open", FALSE),
    "another home's proof": (lambda m, o: {"proof": o.proof}, PROVEN, "do not open", FALSE),
    "another round": (
        lambda m, o: {"context": m.context.model_copy(update={"round": 2})}, PROVEN, "do not open", FALSE,
    ),
    "other weather": (lambda m, o: {"exogenous": [1, *m.exogenous[1:]]}, PROVEN, "do not open", FALSE),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(BROKEN))
def test_each_failure_says_which_check_why_and_what_it_means(village: Village, tmp_path: Path, kind: str) -> None:
    change, check, why, meaning = BROKEN[kind]
    mine, other = (village.bundle(home) for home in village.homes[:2])
    code, said = run("verify", tmp_path, mine.model_copy(update=change(mine, other)))
    assert code == REFUSED
    assert f"✗ {check}" in said and "The proof does not hold" in said
    assert why in said and meaning in said
    order = (SIGNED, PUBLIC, PROVEN)
    for passed in HELD[: order.index(check)]:
        assert f"✓ {passed}" in said
    for rest in (*HELD[order.index(check) :], *order[order.index(check) + 1 :]):
        assert rest not in said, "what rests on a failed check is not checked"


def test_a_claim_is_explained_and_its_failures_too(claim: ClaimBundle, tmp_path: Path) -> None:
    code, said = run("verify", tmp_path, claim)
    assert code == 0 and f"at least {100 * claim.buckets} Wh less absolute error" in said
    code, said = run("verify", tmp_path, claim.model_copy(update={"buckets": claim.buckets + 1}))
    assert code == REFUSED and f"✗ {PROVEN}" in said and FALSE in said
    code, said = run("verify", tmp_path, claim.model_copy(update={"buckets": 2**16}))
    assert code == REFUSED and f"✗ {PUBLIC}" in said and "a number from 0 to 65535" in said
    code, said = run(
        "verify", tmp_path, claim.model_copy(update={"benchmarks": [claim.actual, *claim.benchmarks[1:]]})
    )
    assert code == REFUSED and f"✗ {SIGNED}" in said and "from 7 to 13 days before it" in said


NO_BUNDLE = {
    "empty": (b"", "not a Wattproof bundle"),
    "an archive": (b"PK\x03\x04", "not a Wattproof bundle"),
    "figures": (b'{"prove_s": 0.3, "bytes": 10148}', "not a Wattproof bundle"),
    "a later format": (b'{"format":"wattproof/inference/99"}', "not a Wattproof bundle"),
    "nothing in it": (b'{"format":"wattproof/inference/2"}', "field 'context' is wrong"),
    "cut off": (b'{"format":"wattproof/claim/2",', "a damaged Wattproof bundle"),
}


@pytest.mark.parametrize("kind", list(NO_BUNDLE))
def test_what_is_no_bundle_is_said_and_refused_alone_and_among_others(
    village: Village, tmp_path: Path, kind: str
) -> None:
    content, why = NO_BUNDLE[kind]
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_bytes(encode(village.bundle(village.homes[0])))
    bad.write_bytes(content)
    for files in ([bad], [good, bad]):
        result = CliRunner().invoke(app, ["verify", *map(str, files)])
        said = " ".join(result.output.split())
        assert result.exit_code == REFUSED and f"✗ {bad}: " in said and why in said


def test_a_file_that_is_not_there_ends_no_batch(village: Village, tmp_path: Path) -> None:
    good, bad, gone = (tmp_path / f"{name}.json" for name in ("good", "bad", "gone"))
    good.write_bytes(encode(village.bundle(village.homes[0])))
    bad.write_bytes(b"junk")
    for files, code in (([gone], FAILED), ([gone, good], FAILED), ([gone, bad, good], REFUSED), ([good], 0)):
        result = CliRunner().invoke(app, ["verify", *map(str, files)])
        assert result.exit_code == code, result.output
        assert (f"{gone}: cannot be read" in result.output) == (gone in files)
        assert ("✓" in result.output) == (good in files), "the others are checked"
    assert (
        "1 of 3 hold, 1 could not be read"
        in CliRunner().invoke(app, ["verify", str(gone), str(bad), str(good)]).output
    )


def test_the_folder_of_a_days_proofs_holds_bundles_and_nothing_else(village: Village) -> None:
    files = sorted((village.community.config.api.proofs_dir / str(DAY)).glob("*.json"))
    result = CliRunner().invoke(app, ["verify", *map(str, files)])
    assert result.exit_code == 0 and f"{len(village.homes)} of {len(village.homes)} hold" in result.output


def test_everything_to_be_compared_is_shown_in_full(village: Village, claim: ClaimBundle, tmp_path: Path) -> None:
    for bundle in (village.bundle(village.homes[0]), claim):
        code, said = run("verify", tmp_path, bundle)
        for text in (bundle.forecast, bundle.context.community, bundle.household, bundle.meter):
            assert code == 0 and text in said


def test_a_bundle_can_be_asked_to_be_of_a_community(village: Village, claim: ClaimBundle, tmp_path: Path) -> None:
    for bundle in (village.bundle(village.homes[0]), claim):
        code, said = run("verify", tmp_path, bundle, "--community", "Test village")
        assert code == 0 and "✓ Bound to the community 'Test village'." in said
        code, said = run("verify", tmp_path, bundle, "--community", "Elm Street")
        assert code == REFUSED and "✗ NOT bound to the community 'Elm Street'." in said
    bundles = {"a.json": village.bundle(village.homes[0]), "b.json": claim}
    code, said = run_many(tmp_path, bundles, "--community", "Elm Street")
    assert code == REFUSED and "0 of 2 hold" in said and said.count("NOT bound") == 2
    assert run("verify", tmp_path, claim, "--community", "")[0] == 2


def test_the_ceremony_is_checked_when_asked(village: Village, tmp_path: Path) -> None:
    code, said = run("verify", tmp_path, village.bundle(village.homes[0]), "--check-setup")
    assert code == 0 and "✓ The ceremony's 4096 powers" in said


def test_a_bundle_is_shown_with_every_message_of_its_proof(
    village: Village, claim: ClaimBundle, tmp_path: Path
) -> None:
    bundles: list[tuple[InferenceBundle | ClaimBundle, str]] = [
        (village.bundle(village.homes[0]), "inference"),
        (claim, "skill"),
    ]
    for bundle, kind in bundles:
        code, said = run("show", tmp_path, bundle)
        shown = json.loads(said)
        assert code == 0 and shown["proof"]["kind"] == kind
        parts = [v for m in shown["proof"]["messages"] for v in m.get("points", m.get("scalars"))]
        assert shown["proof"]["header"] + "".join(p[2:] for p in parts) == bundle.proof
        assert shown["statement"] == json.loads(bundle.model_dump_json(exclude={"proof"}))
        assert bundle.household in shown["claims"][0]


# -- several at once -------------------------------------------------------------------------------------------------


def run_many(folder: Path, bundles: Mapping[str, Bundle | bytes], *options: str) -> tuple[int, str]:
    for name, bundle in bundles.items():
        (folder / name).write_bytes(bundle if isinstance(bundle, bytes) else encode(bundle))
    result = CliRunner().invoke(app, ["verify", *(str(folder / name) for name in bundles), *options])
    return result.exit_code, " ".join(result.output.split())


def test_several_bundles_are_checked_together(village: Village, claim: ClaimBundle, tmp_path: Path) -> None:
    bundles = {f"{home.name}.json": village.bundle(home) for home in village.homes}
    code, said = run_many(tmp_path, {**bundles, "claim.json": claim})
    assert code == 0 and said.count("✓") == 4 and "4 of 4 hold" in said


@pytest.mark.parametrize("kind", list(BROKEN))
def test_of_several_each_bad_one_is_named_with_its_reason(village: Village, tmp_path: Path, kind: str) -> None:
    change, check, why, meaning = BROKEN[kind]
    mine, other = (village.bundle(home) for home in village.homes[:2])
    broken = mine.model_copy(update=change(mine, other))
    code, said = run_many(tmp_path, {"good.json": other, "bad.json": broken, "again.json": mine})
    assert code == REFUSED and "2 of 3 hold" in said and said.count("✗") == 1
    assert f"bad.json: {check}" in said
    assert why in said and meaning in said


def test_two_errors_that_would_cancel_in_a_sum_are_both_named(village: Village, tmp_path: Path) -> None:
    """The last point of a proof is judged by the pairing alone, which the batch makes once."""
    from zkp.algebra.srs import load_setup

    setup = load_setup()

    def shifted(bundle: InferenceBundle, scalar: int) -> InferenceBundle:
        proof = bytes.fromhex(bundle.proof[2:])
        last = slice(len(proof) - 80, len(proof) - 32)  # a scalar follows it
        moved = setup.curve.msm([setup.curve.decode(proof[last]), setup.powers(1)[0]], [1, scalar])
        changed = proof[: last.start] + setup.curve.encode(moved) + proof[last.stop :]
        return bundle.model_copy(update={"proof": "0x" + changed.hex()})

    one, two, three = (village.bundle(home) for home in village.homes)
    code, said = run_many(tmp_path, {"1.json": shifted(one, 1), "2.json": shifted(two, -1), "3.json": three})
    assert code == REFUSED and "1 of 3 hold" in said and said.count("do not open") == 2


def test_what_is_no_bundle_is_named_among_others(village: Village, claim: ClaimBundle, tmp_path: Path) -> None:
    good = village.bundle(village.homes[0])
    worse = claim.model_copy(update={"buckets": claim.buckets + 1})
    code, said = run_many(tmp_path, {"good.json": good, "junk.json": b"junk", "claim.json": worse})
    assert code == REFUSED and "1 of 3 hold" in said
    assert "junk.json: not a Wattproof bundle" in said and "claim.json: The proof is NOT valid" in said
