"""An auditor's day: everything checked from what the server gives out, and every lie of the server found."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_hash.auto import keccak
from rich.console import Console
from sqlalchemy import delete

from api.audit.day import audit
from api.audit.source import AuditError, ChainRegistries, Fetch, Registries, from_server
from api.cli.check_report import audit_contracts
from api.cli.main import app
from api.cli.terminal import INCOMPLETE, REFUSED
from api.config.settings import CommunitySettings
from api.one_machine.computed_totals import compute_totals, keep_computed
from api.one_machine.day import make_claim, prove_day, register
from api.one_machine.totals import open_measured, open_total
from api.operator.chain_session import keep_forecast
from api.operator.database.tables import AssignedMeter, Forecast, Household, MeasuredTotal, PaidClaim, Reward
from api.operator.paid_claims import kept_claim, settle
from api.protocol.batch import bad_bundles
from api.protocol.bundle import Bundle, ClaimBundle, encode
from api.protocol.bundle_parts import SignedDayPart, from_hex, to_hex
from api.protocol.calibration import PastDay
from api.protocol.finding import Finding
from data.meter import DOMAIN, TYPES
from tests.api.conftest import DAY, Moment, Village
from tests.api.lying_api import lying_api
from tests.rewards.json_rpc import json_rpc
from tests.support.commands import CliRunner
from tests.support.served import uvicorn_served

pytestmark = pytest.mark.slow

NAME = "Test village"


@pytest.fixture(scope="module", autouse=True)
def _same_bundles_are_checked_once() -> Iterator[None]:
    """The honest server gives the same ones in every test, and most lies are about something else."""
    found: dict[object, dict[int, Finding]] = {}

    def check(bundles: Sequence[Bundle], community: CommunitySettings | None = None) -> dict[int, Finding]:
        asked = (community, *map(encode, bundles))
        if asked not in found:
            found[asked] = bad_bundles(bundles, community)
        return found[asked]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("api.audit.bundles.bad_bundles", check)
        yield


@pytest.fixture(scope="module")
def past(built: Village) -> list[PastDay]:
    return compute_totals(built.community, built.models, range(DAY - 40, DAY))


@pytest.fixture(scope="module")
def finished(built: Village, before: Moment, past: list[PastDay]) -> Moment:
    """The village after its day: forecast, calibrated, measured."""
    before.bring_back(built)
    for home in built.homes:
        register(built.community, built.chain_session, home, built.bundle(home))
    open_total(built.community, DAY)
    open_measured(built.community, DAY)
    keep_computed(built.community, past)
    return Moment.now(built)


@pytest.fixture
def day(built: Village, finished: Moment) -> Village:
    """The village then."""
    finished.bring_back(built)
    return built


def honest(village: Village) -> Fetch:
    def fetch(path: str) -> bytes | None:
        answer = village.client.get(path if path == "/health" else f"/v1{path}")
        return None if answer.status_code == 404 else answer.content

    return fetch


def lying(village: Village, path: str, change: Callable[[Any], Any]) -> Fetch:
    """A server that changes its answer to a path; to None: it withholds it."""
    true = honest(village)

    def fetch(asked: str) -> bytes | None:
        content = true(asked)
        if asked != path or content is None:
            return content
        changed = change(json.loads(content))
        return None if changed is None else json.dumps(changed).encode()

    return fetch


def problems(fetch: Fetch, registries: Registries | None = None, name: str = NAME) -> list[str]:
    return [f"{f.what} {f.problem}" for f in audit(fetch, DAY, name, registries) if f.problem is not None]


def test_an_honest_day_holds_against_the_servers_lists_and_against_the_chain(day: Village) -> None:
    for registries in (None, ChainRegistries(day.chain_session.contracts)):
        found: list[Finding] = list(audit(honest(day), DAY, NAME, registries))
        assert [f.problem for f in found] == [None] * len(found)
        said = " ".join(f.what for f in found)
        assert (
            "3 of 3 forecasts have a valid proof" in said and "measured total" in said and "40 only computed" in said
        )


def raised(document: Any, *path: str | int, by: int = 1) -> Any:
    place = document
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] += by
    return document


CLAIMS = f"/claims/{DAY}"
FORECAST, MEASURED, INPUTS = (f"/days/{DAY}/{name}" for name in ("forecast", "measured", "calibration"))


def first_signed(document: Any) -> Any:
    return document["signed_days"][0]


LIES: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "a total too high": (FORECAST, lambda d: raised(d, "values_wh", 5), "not the sum of the committed forecasts"),
    "a household left out of the total": (
        FORECAST, lambda d: d | {"households": d["households"][1:]}, "not the sum of the committed forecasts",
    ),
    "a household twice": (FORECAST, lambda d: d | {"households": d["households"][:1] * 3}, "each of them once"),
    "a total of nobody": (
        FORECAST, lambda d: d | {"households": [], "values_wh": [0] * 24, "blinding": "0x0"}, "each of them once",
    ),
    "a total said to be of another day": (FORECAST, lambda d: d | {"day": DAY - 1}, f"another day, {DAY - 1}"),
    "a measured total said to be of another day": (MEASURED, lambda d: d | {"day": DAY + 1}, "another day"),
    "a calibration of another day": (INPUTS, lambda d: d | {"day": DAY + 1}, "another day"),
    "a calibration of another horizon": (INPUTS, lambda d: d | {"horizon_days": 2}, "another horizon"),
    "a past day twice": (INPUTS, lambda d: d | {"past": [d["past"][0], *d["past"]]}, "each of them once"),
    "a blinding that is no number": (FORECAST, lambda d: d | {"blinding": "no"}, "not a hexadecimal number"),
    "a calibrated forecast of its own": (
        FORECAST, lambda d: raised(d, "calibrated", "values_wh", 5, by=50), "calibrated forecast is a different",
    ),
    "a band of its own": (
        FORECAST, lambda d: raised(d, "calibrated", "band_90", "high_wh", 5, by=50), "90 % band is a different",
    ),
    "a measured total too high": (MEASURED, lambda d: raised(d, "values_wh", 5), "not the sum of the commitments"),
    "a home missing in the measured total": (
        MEASURED, lambda d: d | {"signed_days": d["signed_days"][1:]}, "not one of each household",
    ),
    "signed days of another day": (
        MEASURED, lambda d: d | {"signed_days": [s | {"day": DAY - 7} for s in d["signed_days"]]}, "not one of each",
    ),
    "signatures exchanged": (
        MEASURED,
        lambda d: d | {"signed_days": [s | {"signature": first_signed(d)["signature"]} for s in d["signed_days"]]},
        "signed by",
    ),
    "other past totals": (INPUTS, lambda d: raised(d, "past", 30, "measured_wh", 3, by=9_000), "is a different one"),
    "computed totals called proven": (
        INPUTS, lambda d: d | {"past": [p | {"totals": "proven"} for p in d["past"]]}, "does not open the totals",
    ),
    "past totals withheld": (INPUTS, lambda d: None, "withholds"),
    "the total withheld": (FORECAST, lambda d: None, "the server has none"),
    "another model": ("/rounds", lambda d: [r | {"digest": "0x" + "11" * 32} for r in d], "weights are not those"),
    "another registration": (
        f"/forecasts/{DAY}", lambda d: [f | {"proof_hash": d[0]["proof_hash"]} for f in d], "is a different one",
    ),
    "another meter": (
        "/households", lambda d: [h | {"meters": d[0]["meters"]} for h in d], "the household's meter on day",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(LIES))
def test_every_lie_is_found(day: Village, kind: str) -> None:
    path, change, says = LIES[kind]
    assert any(says in problem for problem in problems(lying(day, path, change)))


@contextmanager
def another_meter(day: Village) -> Iterator[None]:
    """The server's list gives the second household the first one's meter."""
    household, meter = day.homes[1].wallet.address, day.homes[1].meter.address

    def put(address: str) -> None:
        with day.community.sessions.begin() as session:
            session.merge(Household(address=household, meter=address))
            session.merge(AssignedMeter(household=household, first_day=0, meter=address))

    put(day.homes[0].meter.address)
    yield
    put(meter)


def test_what_only_the_chain_knows_is_found_with_the_chain(day: Village) -> None:
    """A server whose lists and proofs agree with each other, and not with what was registered."""
    first, second = (home.wallet.address for home in day.homes[:2])
    swapped = {f"/forecasts/{first}/{DAY}/proof": f"/forecasts/{second}/{DAY}/proof"}

    def consistent(path: str) -> bytes | None:
        content = honest(day)(swapped.get(path, path))
        if path == f"/forecasts/{DAY}":
            return json.dumps(
                [f | {"household": second} for f in json.loads(content or b"") if f["household"] == second]
            )
        return content

    chain = ChainRegistries(day.chain_session.contracts)
    assert any("no valid proof was found for" in p for p in problems(consistent, chain))

    with another_meter(day):
        found = problems(honest(day)), problems(honest(day), chain)
    assert any("the household's meter on day" in p for p in found[0]) and found[1] == []


def test_the_contracts_are_compared_with_what_this_version_compiles(day: Village) -> None:
    console = Console(record=True, width=200)
    chain, contracts = day.chain_session.chain, day.chain_session.contracts
    assert not audit_contracts(console, chain, contracts, CommunitySettings(name=NAME).identifier).is_bad
    assert audit_contracts(console, chain, contracts, CommunitySettings(name="another").identifier).is_bad
    said = console.export_text()
    assert "✓ The contracts on the chain are those of this version" in said
    assert "✗ The contracts on the chain are NOT those of this version" in said
    assert "differs: the verifier's community" in said


def test_what_fails_never_reads_as_an_assertion(day: Village) -> None:
    """Each sentence is true as it stands: no tick over a failure, no cross over a claim that all is well."""
    found = list(audit(honest(day), DAY, "Elm Street"))
    bad = [f for f in found if f.is_bad]
    assert "3 of 3 forecasts do not match this community, day or registration" in " ".join(f.what for f in bad)
    assert all("NOT" in f.what or "not" in f.what for f in bad)
    assert not any(f.what.startswith("0 of") for f in found if f.kind == "held")


def withholding(village: Village, *paths: str) -> Fetch:
    """A server that says that it has nothing at some paths."""
    true = honest(village)
    return lambda path: None if path in paths else true(path)


def missing(fetch: Fetch, registries: Registries | None = None) -> list[str]:
    return [f"{f.what}: {f.problem}" for f in audit(fetch, DAY, NAME, registries) if f.kind == "missing"]


def test_what_a_server_withholds_is_named(paid: Village, claims: list[ClaimBundle]) -> None:
    """Without the chain: what the day and the server's other answers let one expect."""
    first, home = claims[0].household, paid.homes[2].wallet.address
    assert missing(honest(paid)) == []
    (said,) = missing(withholding(paid, MEASURED))
    assert f"The measured total of day {DAY} is missing" in said and "withholds it" in said
    assert f"The claims of day {DAY} are missing" in missing(withholding(paid, CLAIMS))[0]
    by_name = sorted(claim.household for claim in claims)
    assert [m[:42] for m in missing(lying(paid, CLAIMS, lambda d: []))] == by_name
    one = missing(lying(paid, CLAIMS, lambda d: [c for c in d if c["household"] != first]))
    assert [m[:42] for m in one] == [first] and "missing in the server's list of the claims" in one[0]
    (said, *_) = missing(lying(paid, f"/forecasts/{DAY}", lambda d: [f for f in d if f["household"] != home]))
    assert f"{home}: missing in the server's list of the forecasts" in said
    (said,) = missing(withholding(paid, f"/claims/{first}/{DAY}/proof"))
    assert f"{first}: the proof is missing" in said
    assert any(
        f"{home}: the proof is missing" in m for m in missing(withholding(paid, f"/forecasts/{home}/{DAY}/proof"))
    )


def test_the_chain_is_asked_for_what_the_server_leaves_out(paid: Village, claims: list[ClaimBundle]) -> None:
    """A server that withholds consistently: a claim or a forecast that it knows nothing of under any path."""
    chain, home = ChainRegistries(paid.chain_session.contracts), paid.homes[2].wallet.address
    first = claims[0].household
    assert missing(honest(paid), chain) == []

    def without(household: str, listed: str) -> Fetch:
        rest = lying(paid, f"/{listed}/{DAY}", lambda d: [one for one in d if one["household"] != household])
        return lambda path: None if path == f"/{listed}/{household}/{DAY}/proof" else rest(path)

    assert missing(without(first, "claims")) == [], "this is what only the chain can tell"
    (said,) = missing(without(first, "claims"), chain)
    assert (
        said
        == f"{first}: missing in the server's list of the claims: the chain has paid this household for day {DAY}"
    )
    (said, *_) = missing(without(home, "forecasts"), chain)
    assert said.startswith(f"{home}: missing in the server's list of the forecasts: the household registered one")
    everything = withholding(paid, f"/forecasts/{DAY}", f"/days/{DAY}/forecast", CLAIMS, MEASURED)
    said = " ".join(missing(everything, chain))
    assert all(f"{h.wallet.address}: missing in the server's list of the forecasts" in said for h in paid.homes)
    assert f"{first}: missing in the server's list of the claims" in said


def test_what_the_chain_paid_for_is_compared(paid: Village, claims: list[ClaimBundle]) -> None:
    """A server with another claim of the same household and day than the paid one: fewer buckets are as true."""
    true = claims[0]
    lower = true.model_copy(update={"buckets": true.buckets - 1})
    chain = ChainRegistries(paid.chain_session.contracts)
    fewer = lambda c: c | {"buckets": c["buckets"] - (c["household"] == true.household)}  # noqa: E731
    listed = lying(paid, CLAIMS, lambda d: [fewer(c) for c in d])
    path = f"/claims/{true.household}/{DAY}/proof"
    found = problems(lambda asked: encode(lower) if asked == path else listed(asked), chain)
    assert any(true.household in problem for problem in found)


def test_the_verdict_and_its_exit_code_follow_from_the_findings(day: Village, address: str) -> None:
    command = ["audit", str(DAY), "--server", address]
    held = CliRunner().invoke(app, command)
    assert held.exit_code == 0 and f"✓ Verdict: day {DAY} holds: all " in held.output
    assert "Not checked: whether meters, models and registrations match the chain" in " ".join(held.output.split())
    with day.community.sessions.begin() as session:
        session.execute(delete(MeasuredTotal))
    short = CliRunner().invoke(app, command)
    assert short.exit_code == INCOMPLETE
    assert f"? Verdict: day {DAY} is incomplete: no check failed, but 1 record missing." in short.output
    false = CliRunner().invoke(app, [*command, "--community", "Elm Street"])
    assert false.exit_code == REFUSED
    assert "✗ Verdict: " in false.output and "does NOT hold" in false.output and "✓ 0 of" not in false.output


def only_computed(inputs: Any) -> Any:
    """Numbers that nobody can check, in the place of those that were opened."""
    return inputs | {"past": [past | {"totals": "computed"} for past in inputs["past"]]}


@pytest.mark.process
def test_proven_past_days_are_opened_again(day: Village) -> None:
    """The next day, calibrated by 39 computed days and the one that was proven."""
    for _, bundle, _ in prove_day(day.community, DAY + 1, day.trained):
        keep_forecast(day.community, bundle)
    open_total(day.community, DAY + 1)
    just_over = (DAY + 2) * 86_400  # its measured total may still be on its way
    found = list(audit(honest(day), DAY + 1, NAME, now=just_over))
    assert [f.problem for f in found] == [None] * len(found)
    assert "41 days: 1 opened against commitments, 40 only computed" in " ".join(f.what for f in found)
    for path, change, says in (
        (FORECAST, LIES["a total too high"][1], "not those that the server opens"),
        (FORECAST, lambda d: d | {"blinding": "0x1"}, f"day {DAY}: the total is not the sum"),
        (FORECAST, lambda d: d | {"households": ["you", *d["households"]]}, "'you' is not a household's address"),
        (MEASURED, LIES["signatures exchanged"][1], f"day {DAY}: day {DAY} of household"),
        (MEASURED, lambda d: None, "does not open the totals"),
        (f"/days/{DAY + 1}/calibration", only_computed, f"the totals of day {DAY} are opened, and are not among"),
    ):
        lied = audit(lying(day, path, change), DAY + 1, NAME, now=just_over)
        told = [f.problem for f in lied if f.problem is not None]
        assert len(told) == 1 and says in told[0]


def test_a_false_proof_is_named_and_its_home_is_in_no_total(day: Village) -> None:
    home = day.homes[1].wallet.address
    data = bytearray.fromhex(day.bundle(day.homes[1]).proof[2:])
    data[-1] ^= 1

    def broken(path: str) -> bytes | None:
        if path == f"/forecasts/{home}/{DAY}/proof":
            return encode(day.bundle(day.homes[1]).model_copy(update={"proof": "0x" + data.hex()}))
        return honest(day)(path)

    found = problems(broken)
    assert any(p.startswith(home) and "do not open" in p for p in found)
    assert any(f"no valid proof was found for {home}" in p for p in found)
    assert len([p for p in found if p.startswith("0x")]) == 1


def test_proofs_of_another_community_are_found(day: Village) -> None:
    assert sum("another community" in p for p in problems(honest(day), name="Elm Street")) == len(day.homes)


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b'[{"household": 1}]', b"null"])
def test_a_server_that_speaks_otherwise_is_said(day: Village, answer: bytes) -> None:
    with pytest.raises(AuditError, match=r"not as documented|no forecasts"):
        problems(lambda path: answer)


def test_a_day_without_forecasts_is_said(day: Village) -> None:
    with day.community.sessions.begin() as session:
        session.execute(delete(Forecast))
    with pytest.raises(AuditError, match="no forecasts of day"):
        problems(honest(day))


@pytest.fixture(scope="module")
def claims(built: Village) -> list[ClaimBundle]:
    """What two homes claim for the day."""
    made = [make_claim(built.community, home, DAY, 1) for home in built.homes[:2]]
    return [claim for claim in made if claim is not None]


@pytest.fixture(scope="module")
def settled(built: Village, finished: Moment, claims: list[ClaimBundle]) -> Moment:
    """When the two have been paid."""
    finished.bring_back(built)
    chain = built.chain_session.chain
    chain.advance_to(built.community.start_of(DAY + 1))
    for claim in claims:
        settle(built.community, built.chain_session, claim)
    chain.fund("0x" + "11" * 20)  # a block of its own, which is cheap to play again
    return Moment.now(built)


@pytest.fixture
def paid(built: Village, settled: Moment) -> Village:
    """The village then."""
    settled.bring_back(built)
    return built


def test_paid_claims_are_checked_too(paid: Village) -> None:
    for registries in (None, ChainRegistries(paid.chain_session.contracts)):
        found = list(audit(honest(paid), DAY, NAME, registries))
        assert [f.problem for f in found] == [None] * len(found)
        said = " ".join(f.what for f in found)
        assert "2 of 2 claims have a valid proof of skill" in said and "2 of 2 claims match the day's" in said


def test_claims_show_their_buckets_and_nothing_finer(paid: Village, claims: list[ClaimBundle]) -> None:
    listed = paid.client.get(f"/claims/{DAY}").json()
    assert [set(claim) for claim in listed] == [{"household", "day", "buckets", "proof_hash"}] * 2
    assert {c["household"]: c["buckets"] for c in listed} == {c.household: c.buckets for c in claims}
    assert paid.client.get(f"/claims/{claims[0].household}/{DAY}/proof").content == encode(claims[0])
    for path in (f"{claims[0].household}/{DAY - 1}", f"{paid.homes[2].wallet.address}/{DAY}"):
        answer = paid.client.get(f"/claims/{path}/proof")
        assert (answer.status_code, answer.json()["error"]) == (404, "no-claim")
    assert paid.client.get(f"/claims/{DAY - 1}").json() == []


CLAIM_LIES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "more buckets": (
        lambda d: [c | {"buckets": c["buckets"] + 1} for c in d],
        "another number of buckets or proof",
    ),
    "another proof": (
        lambda d: [c | {"proof_hash": "0x" + "11" * 32} for c in d],
        "another number of buckets or proof",
    ),
    "a claim of somebody who made none": (
        lambda d: [*d, d[0] | {"household": "0x" + "11" * 20}], "without a proof",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(CLAIM_LIES))
def test_every_lie_about_claims_is_found(paid: Village, kind: str) -> None:
    change, says = CLAIM_LIES[kind]
    assert any(says in problem for problem in problems(lying(paid, CLAIMS, change)))


def test_claims_of_another_day_home_community_or_forecast_are_found(paid: Village, claims: list[ClaimBundle]) -> None:
    first, second = (claim.household for claim in claims)
    path = f"/claims/{first}/{DAY}/proof"

    def shown(content: bytes) -> list[str]:
        return problems(lambda asked: content if asked == path else honest(paid)(asked))

    assert any(f"of household {second}" in p for p in shown(encode(claims[1])))
    assert any("not a bundle of one of the claims" in p for p in shown(encode(paid.bundle(paid.homes[0]))))
    forged = claims[0].model_copy(update={"forecast": claims[1].forecast})
    assert any(p.startswith(first) for p in shown(encode(forged)))
    assert sum("another community" in p for p in problems(honest(paid), name="Elm Street")) == len(paid.homes) + 2


def test_what_the_chain_has_not_paid_is_found_with_the_chain(day: Village, claims: list[ClaimBundle]) -> None:
    claim, digest = claims[0], to_hex(keccak(from_hex(claims[0].proof)))
    with day.community.sessions.begin() as session:
        count = {"buckets": claim.buckets, "granted": claim.buckets}
        session.add(Reward(household=claim.household, day=DAY, amount="1", proof_hash=digest, **count))
        session.add(PaidClaim(household=claim.household, day=DAY, bundle=encode(claim)))
    assert problems(honest(day)) == []
    chain = ChainRegistries(day.chain_session.contracts)
    assert any("the chain has paid no claim" in p for p in problems(honest(day), chain))


def test_a_claim_that_was_paid_but_not_kept_is_kept_when_it_is_brought_again_and_no_other(
    paid: Village, claims: list[ClaimBundle]
) -> None:
    """Another meter than the household's could sign the same commitments; the proof says nothing of the meter."""
    true, address = claims[0], claims[0].household
    with paid.community.sessions.begin() as session:
        session.execute(delete(PaidClaim))
    stranger = Account.from_key(b"\x09" * 32)

    def signed(part: SignedDayPart) -> SignedDayPart:
        return part.model_copy(update={"signature": to_hex(_signed(stranger, address, part.day, part.commitment))})

    days = {"actual": signed(true.actual), "benchmarks": [signed(part) for part in true.benchmarks]}
    false = true.model_copy(update={"meter": stranger.address} | days)
    for claim, code, kept in (
        (false, "wrong-meter", None), (true, None, encode(true)), (false, "wrong-meter", encode(true))
    ):  # fmt: skip
        assert paid.client.post("/claims", content=encode(claim)).json().get("error") == code
        assert kept_claim(paid.community, address, DAY) == kept


def _signed(meter: LocalAccount, household: str, day: int, commitment: str) -> bytes:
    content = {"household": household, "day": day, "commitment": from_hex(commitment)}
    return bytes(meter.sign_message(encode_typed_data(DOMAIN, TYPES["load"], content)).signature)


@pytest.fixture
def address(day: Village) -> Iterator[str]:
    """The village's server on a port of its own."""
    with uvicorn_served(uvicorn.Config(day.client.app, log_level="error", lifespan="off")) as port:  # type: ignore[arg-type]
        yield f"http://127.0.0.1:{port}"


def test_the_command_audits_a_server_over_http(address: str) -> None:
    result = CliRunner().invoke(app, ["audit", str(DAY), "--server", address])
    said = " ".join(result.output.split())
    assert result.exit_code == 0, said
    assert "Day 17348 of 'Test village'" in said and "3 of 3 forecasts have a valid proof" in said and "✗" not in said
    assert f"✓ Verdict: day {DAY} holds" in said
    other = CliRunner().invoke(app, ["audit", str(DAY), "--server", address, "--community", "Elm Street"])
    assert other.exit_code == REFUSED and "another community" in other.output


def test_the_command_looks_into_the_chain_over_a_node(day: Village, address: str, tmp_path: Path) -> None:
    """A server's own list is believed without a node only; an audit against other contracts ends in words."""
    known, contracts = tmp_path / "contracts.json", day.chain_session.contracts.addresses
    known.write_bytes(contracts.to_json())
    command = ["audit", str(DAY), "--server", address]
    with json_rpc(day.chain_session.chain) as node, another_meter(day):
        on_chain = [*command, "--rpc-url", node, "--contracts", str(known)]
        without, result = (CliRunner().invoke(app, asked) for asked in (command, on_chain))
        assert without.exit_code == REFUSED and "the household's meter on day" in " ".join(without.output.split())
        said = " ".join(result.output.split())
        assert result.exit_code == 0 and "those of this version" in said and "✗" not in said, said

        known.write_bytes(replace(contracts, rewards=day.homes[0].wallet.address).to_json())
        result = CliRunner().invoke(app, on_chain)
        assert result.exit_code == REFUSED and "differs: the code of rewards." in result.output
        known.write_bytes(replace(contracts, forecast_registry=day.homes[0].wallet.address).to_json())
        result = CliRunner().invoke(app, on_chain)
        told = f"is {day.homes[0].wallet.address} the community's registry"
        assert result.exit_code == REFUSED and told in " ".join(result.output.split())


def test_no_server_and_half_a_chain_are_said() -> None:
    with pytest.raises(AuditError, match="does not answer"):
        from_server("http://127.0.0.1:9")("/health")
    for wrong in ("file:///etc/passwd", "", "http://", "http://[::1", "http://elm:80x", "http://elm:99999"):
        with pytest.raises(AuditError, match="write it like"):
            from_server(wrong)
    with lying_api() as api:
        api.answers["GET /days"] = 200, b" " * 20_000_001
        api.answers["GET /rounds"] = 409, {"error": "busy", "message": "not now"}
        fetch = from_server(api.url)
        with pytest.raises(AuditError, match=f"{api.url} does not answer .* larger than"):
            fetch("/days")
        with pytest.raises(AuditError, match="refused /rounds: busy: not now"):
            fetch("/rounds")
        assert fetch("/days/1/forecast") is None
    half = CliRunner().invoke(app, ["audit", str(DAY), "--rpc-url", "http://127.0.0.1:9"])
    assert half.exit_code == 2
