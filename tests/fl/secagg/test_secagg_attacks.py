"""A coordinator that cheats, and homes that do, against the real client mods: keys, roster and records on disk."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.clientapp.typing import Mod
from flwr.serverapp import Grid

from fl.aggregation.strategy import local_plan
from fl.deployment.keys import load_agent_key, roster_of_agents
from fl.errors import FederationError, QuorumMissed
from fl.exchange import Gathered
from fl.plan import LocalPlan
from fl.secagg.aggregator import Member, complaint
from fl.secagg.messages import ClosedSum, SumTerms, read_items, stage_record
from fl.secagg.open_sums import OpenSums
from fl.secagg.roster import sign
from fl.secagg.sum_record import RecordDamaged, SecondSum, SumRecord
from fl.secure_gather import SecureGather
from fl.weights import Weights, digest_of, to_record
from tests.fl.guarded import HOMES, Guarded
from tests.fl.local_grid import ZERO, LeastSquares
from tests.fl.watched_grid import WatchedGrid, stage_of

pytestmark = pytest.mark.slow

Tamper = Callable[[str, str, RecordDict], None]


@dataclass
class LyingGrid(WatchedGrid):
    """A coordinator that tells single homes something else than its own program means to."""

    tamper: Tamper = lambda home, stage, content: None

    def _answer(self, number: int, message: Message) -> Message | None:
        learner, _ = self._apps[message.metadata.dst_node_id]
        own = copy.deepcopy(message.content)  # a home's records may be other homes', too
        self.tamper(learner.home, stage_of(message), own)
        told = Message(own, dst_node_id=message.metadata.dst_node_id, message_type=message.metadata.message_type)
        reply = super()._answer(number, told)
        if reply is not None:
            message.metadata.__dict__["_message_id"] = told.metadata.message_id
        return reply


def lying(agents: Guarded, tamper: Tamper, homes: Sequence[LeastSquares] | None = None, **changes: Any) -> LyingGrid:
    return LyingGrid(homes or [LeastSquares(h) for h in agents.homes], mods_of=agents.mods, tamper=tamper, **changes)


def plan_of(agents: Guarded, **changes: Any) -> ConfigRecord:
    return replace(local_plan(agents.settings, 1), **changes).to_record()


def nodes_of(grid: WatchedGrid, homes: Sequence[str]) -> dict[str, int]:
    return {learner.home: node for node, (learner, _) in grid._apps.items() if learner.home in homes}


def round_of(
    agents: Guarded,
    grid: WatchedGrid,
    homes: Sequence[str],
    start: Weights = ZERO,
    gather: SecureGather | None = None,
    **plan: Any,
) -> Gathered:
    """One call of the coordinator's own gather."""
    return (gather or agents.gather())(grid, nodes_of(grid, homes), start, plan_of(agents, **plan), 10)


def mean_of(gathered: Gathered) -> np.ndarray:
    return np.asarray(gathered.updates[0].weights["w"])


def honest_mean(agents: Guarded, homes: Sequence[str], start: Weights = ZERO) -> np.ndarray:
    return np.mean([agents.alone(home, start)["w"] for home in homes], axis=0)


# Other models, other plans (Pasquini et al., CCS 2022).


@pytest.mark.parametrize("told", ["another model", "no epochs", "a tiny learning rate", "another round"])
def test_homes_that_are_told_another_model_or_plan_than_the_others_send_nothing(tmp_path: Path, told: str) -> None:
    """Else the others' updates would be nothing, and the sum the victim's."""
    agents = Guarded(tmp_path)
    plans = {
        "no epochs": {"epochs": 0}, "a tiny learning rate": {"learning_rate": 1e-30}, "another round": {"round": 7},
    }  # fmt: skip

    def tamper(home: str, stage: str, content: RecordDict) -> None:
        if stage == "mask" and home != "ada":
            if told == "another model":
                content["arrays"] = to_record({"w": np.array([1, -2, 3], np.float32)})  # where they learn nothing
            else:
                content["plan"] = ConfigRecord({**content.config_records["plan"], **plans[told]})

    grid = lying(agents, tamper)
    gathered = round_of(agents, grid, HOMES)
    assert gathered.updates == [] and not [
        stage for home, stage, _ in grid.received if (stage == "mask") > (home == "ada")
    ]
    reasons = {gathered.left_out[home] for home in HOMES[1:]}
    expected = {"another model": "the model is not", "another round": "the plan is not"}.get(
        told, "own settings allow"
    )
    assert all(expected in reason for reason in reasons)


@pytest.mark.parametrize("told", ["start", "plan", "nonce", "weighting", "threshold", "fewest", "quantity"])
def test_homes_that_are_told_other_terms_than_the_others_do_not_get_as_far_as_sharing(
    tmp_path: Path, told: str
) -> None:
    """The terms are in every signature: those who were told others are nobody to each other."""
    agents = Guarded(tmp_path, export=True)
    others: dict[str, Any] = {
        "start": b"s" * 32, "plan": b"p" * 32, "nonce": b"n" * 16, "weighting": "examples", "threshold": 5,
        "fewest": 4, "quantity": "export",
    }  # fmt: skip

    def tamper(home: str, stage: str, content: RecordDict) -> None:
        if stage == "keys" and home != "ada":
            record = content.config_records["secagg"]
            terms = replace(SumTerms.from_bytes(record["terms"]), **{told: others[told]})
            record["terms"] = terms.to_bytes()

    grid = lying(agents, tamper)
    assert round_of(agents, grid, HOMES).updates == []
    assert not [stage for _, stage, _ in grid.received if stage in ("mask", "reveal")]


@pytest.mark.parametrize(
    ("plan", "complaint_"),
    [
        ({"epochs": 0}, "epochs is 0, and this home's own settings allow 1 to 100"),
        ({"epochs": 10**9}, r"epochs is 1e\+09"),
        ({"learning_rate": 1e-30}, "learning_rate is 1e-30, and this home's own settings allow 1e-06 to 1"),
        ({"learning_rate": 100.0}, "learning_rate is 100"),
        ({"learning_rate": float("nan")}, "learning_rate must be a finite number"),
        ({"batch_days": 0}, "batch_days is 0"),
        ({"batch_days": 10**6}, "batch_days is"),
        ({"proximal_mu": 1e9}, "proximal_mu is"),
        ({"proximal_mu": -1.0}, "proximal_mu is"),
        ({"epochs": 1.5}, "epochs must be a whole number"),
        ({"round": "first"}, "round must be a whole number"),
    ],
)
@pytest.mark.parametrize("secure", [True, False], ids=["masked", "plain"])
def test_a_home_trains_by_no_plan_beyond_its_own_limits(
    tmp_path: Path, plan: dict[str, Any], complaint_: str, secure: bool
) -> None:
    """All homes are told the same here; it is each one's own setting that refuses."""
    changes = {} if secure else {"secure_aggregation": {"enabled": False, "roster": None}}
    agents = Guarded(tmp_path, **changes)

    def asked(grid: Grid, nodes: dict[str, int], start: Weights, record: ConfigRecord, timeout: float) -> Gathered:
        from fl.exchange import gather_updates

        told = ConfigRecord({**record, **plan})
        return (agents.gather() if secure else gather_updates)(grid, nodes, start, told, timeout)

    matched = "the plan is malformed|" + complaint_ if "nan" in repr(plan) else complaint_
    with pytest.raises((QuorumMissed, FederationError), match=matched):
        agents.train(agents.grid(), gather=asked)
    assert all(not (tmp_path / f"{home}.sums.jsonl").read_bytes() for home in HOMES)


def test_a_settings_file_whose_own_plan_is_beyond_its_limits_is_refused() -> None:
    from fl.settings import FederationSettings

    assert LocalPlan(1, 0, 100, 1.0, 4096, 10).check(FederationSettings().plan_limits) is None
    with pytest.raises(ValueError, match=r"epochs is 101, .* allow 1 to 100 \(federation.plan_limits\)"):
        FederationSettings.model_validate({"local": {"epochs": 101}})


# Survivors told differently.


@pytest.mark.parametrize("part", [2 / 3, 0.6])
@pytest.mark.parametrize("count", [5, 15])
def test_a_coordinator_that_tells_homes_of_different_survivors_gets_shares_for_one_sum_at_most(
    tmp_path: Path, count: int, part: float
) -> None:
    """Every other home hears that ada is in the sum, the rest that she is not."""
    homes = ["ada", *(f"home-{k:02}" for k in range(1, count))]
    agents = Guarded(tmp_path, homes, secure_aggregation={"threshold": part})

    def tamper(home: str, stage: str, content: RecordDict) -> None:
        if stage == "agree" and homes.index(home) % 2:
            items = read_items(content)
            items.pop("ada")
            content["secagg"] = stage_record("agree", items)

    grid = lying(agents, tamper)
    round_of(agents, grid, homes)
    revealed = {home for home, stage, _ in grid.received if stage == "reveal"}
    most = set(homes[::2])  # of whom there may be enough to open the sum they have all agreed on
    assert revealed == (most if len(most) >= agents.settings.secure_aggregation.shares_needed(count) else set())


def test_signatures_of_other_survivors_open_nothing(tmp_path: Path) -> None:
    """All sign one sum; then each home is given the signatures as of a sum without ada, or too few of them."""
    agents = Guarded(tmp_path)

    def tamper(home: str, stage: str, content: RecordDict) -> None:
        if stage == "reveal":
            items = read_items(content)
            items = dict(list(items.items())[:3]) if home < "cyd" else dict.fromkeys(items, items["ada"])
            content["secagg"] = stage_record("reveal", items)

    grid = lying(agents, tamper)
    gathered = round_of(agents, grid, HOMES)
    assert gathered.updates == [] and not [stage for _, stage, _ in grid.received if stage == "reveal"]
    assert "3 members have signed who is in the sum, 4 must" in gathered.left_out["ada"]
    assert "1 members have signed who is in the sum, 4 must" in gathered.left_out["eve"]


def test_withheld_envelopes_leave_a_home_out_and_lay_nobody_bare(tmp_path: Path) -> None:
    """Ada gets three others' shares only: she is masked with all that shared, or sends nothing."""
    agents = Guarded(tmp_path)

    def tamper(home: str, stage: str, content: RecordDict) -> None:
        if (home, stage) == ("ada", "check"):
            items = read_items(content)
            items.pop("eve")
            content["secagg"] = stage_record("check", items)

    grid = lying(agents, tamper)
    gathered = round_of(agents, grid, HOMES)
    assert "of others that sent it their shares" in gathered.left_out["ada"]
    np.testing.assert_allclose(mean_of(gathered), honest_mean(agents, HOMES[1:]), atol=1e-6)


def test_as_many_homes_are_in_the_sum_as_a_home_asks_for(tmp_path: Path) -> None:
    """14 of 15: one may drop out, the second stops the round, whatever two thirds of 15 are."""
    homes = [f"home-{k:02}" for k in range(15)]
    secure = {"secure_aggregation": {"fewest_homes": 14}, "min_homes": 14}
    agents = Guarded(tmp_path / "one", homes, **secure)
    gathered = round_of(agents, agents.grid(gone={"home-03": "mask"}), homes)
    assert len(gathered.updates) == 14
    agents = Guarded(tmp_path / "two", homes, **secure)
    gathered = round_of(agents, agents.grid(gone={"home-03": "mask", "home-04": "mask"}), homes)
    assert (
        gathered.updates == []
        and "13 of 15 homes sent a masked update, 14 are needed" in gathered.left_out["home-00"]
    )


# The same round twice.


@pytest.mark.parametrize("again", ["the same round", "another number", "another plan", "after restarts"])
def test_a_second_sum_of_one_model_is_refused_by_every_home_that_is_in_the_first(tmp_path: Path, again: str) -> None:
    """Of 12, then of 11 homes: the difference would be one home's update."""
    homes = [f"home-{k:02}" for k in range(12)]
    agents = Guarded(tmp_path, homes)
    grid, gather = agents.grid(), agents.gather()
    assert len(round_of(agents, grid, homes, gather=gather).updates) == 12
    if again == "after restarts":
        grid, gather = agents.grid(), agents.gather("another folder")
    plan = {"another number": {"round": 2}, "another plan": {"learning_rate": 0.004}}.get(again, {})
    before = len(grid.received)
    second = round_of(agents, grid, homes[1:], gather=gather, **plan)
    assert second.updates == [] and len(grid.received) == before, "no key, no share, no vector"
    assert all("a second sum of one model" in second.left_out[home] for home in homes[1:])
    third = round_of(agents, grid, homes[1:], start={"w": ZERO["w"] + np.float32(1)}, gather=gather)
    assert len(third.updates) == 11, "the next round is another model"


@pytest.mark.parametrize("stage", ["keys", "share", "check"])
def test_a_round_that_fails_before_any_masked_update_costs_nothing(tmp_path: Path, stage: str) -> None:
    agents = Guarded(tmp_path)
    gather = agents.gather()
    failed = round_of(agents, agents.grid(gone=dict.fromkeys(["bob", "cyd"], stage)), HOMES, gather=gather)
    assert failed.updates == []
    grid = agents.grid()
    assert len(round_of(agents, grid, HOMES, gather=gather).updates) == 5
    assert not [asked for asked, _ in grid.asked if asked == "close"]


@pytest.mark.parametrize("restarts", [False, True], ids=["running on", "all started anew"])
@pytest.mark.parametrize("stage", ["mask", "agree"])
def test_a_round_that_fails_with_masked_updates_out_is_closed_and_asked_again(
    tmp_path: Path, stage: str, restarts: bool
) -> None:
    agents = Guarded(tmp_path)
    grid, gather = agents.grid(gone=dict.fromkeys(["dee", "eve"], stage)), agents.gather()
    assert round_of(agents, grid, HOMES, gather=gather).updates == []
    if restarts:
        grid, gather = agents.grid(), agents.gather()
    else:
        grid.gone.clear()
        grid._left.clear()
    again = round_of(agents, grid, HOMES, gather=gather)
    np.testing.assert_allclose(mean_of(again), honest_mean(agents, HOMES), atol=1e-6)
    assert sum(asked == "close" for asked, _ in grid.asked) == 5


def test_a_round_is_not_asked_again_of_homes_whose_first_sum_could_still_be_opened(tmp_path: Path) -> None:
    """Three of five sign that they never open it, where four must: the others could still be persuaded to."""
    agents = Guarded(tmp_path)
    grid, gather = agents.grid(gone=dict.fromkeys(["dee", "eve"], "mask")), agents.gather()
    assert round_of(agents, grid, HOMES, gather=gather).updates == []
    again = round_of(agents, grid, HOMES, gather=gather)  # dee and eve are still away
    assert again.updates == [] and "a second sum of one model" in again.left_out["ada"]
    grid.gone.clear()
    grid._left.clear()
    assert len(round_of(agents, grid, HOMES, gather=gather).updates) == 5, "and once they are back it goes on"


def test_a_sum_that_its_homes_have_agreed_on_is_opened_once_those_that_were_away_are_back(tmp_path: Path) -> None:
    agents = Guarded(tmp_path)
    grid, gather = agents.grid(gone=dict.fromkeys(["dee", "eve"], "reveal")), agents.gather()
    assert round_of(agents, grid, HOMES, gather=gather).updates == []
    grid.gone.clear()
    grid._left.clear()
    again = round_of(agents, grid, HOMES, gather=gather)
    np.testing.assert_allclose(mean_of(again), honest_mean(agents, HOMES), atol=1e-6)
    assert sum(asked == "mask" for asked, _ in grid.asked) == 5, "nobody has trained again"


def test_homes_that_have_revealed_never_close_and_those_that_have_closed_never_reveal(tmp_path: Path) -> None:
    agents = Guarded(tmp_path)
    grid, gather = agents.grid(gone=dict.fromkeys(["dee", "eve"], "reveal")), agents.gather()
    assert round_of(agents, grid, HOMES, gather=gather).updates == []  # three shares came back, four are needed
    grid = agents.grid()
    lost = round_of(agents, grid, HOMES, gather=gather)
    assert lost.updates == [] and "a second sum of one model" in lost.left_out["ada"]
    assert {home for home, stage, _ in grid.received if stage == "close"} == {"dee", "eve"}
    record = SumRecord(tmp_path / "zoe.jsonl")
    record.never_reveal(b"d")
    with pytest.raises(SecondSum, match="has closed this sum, and takes nothing back"):
        record.reveal(b"d")
    record.reveal(b"e")
    with pytest.raises(SecondSum, match="has revealed this sum"):
        record.never_reveal(b"e")


def closed_sum(agents: Guarded, signers: Sequence[str], **changes: Any) -> ClosedSum:
    """What proves that the open sum is never opened, if enough homes sign; they do, to the coordinator's delight."""
    from fl.secagg.session import unopened_statement

    (failed,) = OpenSums(agents.folder / "rounds" / "sums.json").of(digest_of(ZERO))
    terms = replace(failed.terms, **changes)
    statement = unopened_statement(terms.session(roster_of_agents(agents.keys).members))
    keys = {home: load_agent_key(agents.keys / "agents" / f"{home}.key") for home in signers}
    return ClosedSum(terms, {home: sign(key, statement) for home, key in keys.items()})


def repeated(closed: ClosedSum) -> ClosedSum:
    return replace(closed, signatures=dict.fromkeys(HOMES, closed.signatures["ada"]))


@pytest.mark.parametrize(
    ("forge", "why"),
    [
        (lambda a: closed_sum(a, HOMES[:3]), "3 members have signed"),
        (lambda a: repeated(closed_sum(a, HOMES[:1])), "1 members have signed"),
        (lambda a: closed_sum(a, HOMES, nonce=b"another sum"), "a second sum of one model"),
        (lambda a: closed_sum(a, HOMES[:3], threshold=3), "a threshold that this home does not take part in"),
        (lambda a: closed_sum(a, HOMES[:3], members=("ada", "bob", "cyd"), threshold=2), "a second sum of one model"),
    ],
)  # fmt: skip
def test_a_sum_is_closed_by_its_own_members_and_enough_of_them(
    tmp_path: Path, forge: Callable[[Guarded], ClosedSum], why: str
) -> None:
    agents = Guarded(tmp_path)
    assert round_of(agents, agents.grid(gone=dict.fromkeys(["dee", "eve"], "mask")), HOMES).updates == []
    forged = forge(agents).to_bytes()

    def tamper(home: str, stage: str, content: RecordDict) -> None:
        if stage == "keys":
            content.config_records["secagg"]["closed"] = [forged]

    again = round_of(agents, lying(agents, tamper), HOMES, gather=agents.gather("elsewhere"))
    assert again.updates == [] and why in again.left_out["ada"]


def test_a_session_begun_a_second_time_gets_no_second_word_of_anybody(tmp_path: Path) -> None:
    """The same nonce again: what homes signed the first time is of other keys."""
    agents = Guarded(tmp_path)
    first: list[bytes] = []

    def tamper(home: str, stage: str, content: RecordDict) -> None:
        if stage == "keys":
            record = content.config_records["secagg"]
            first.append(record["terms"])
            record["terms"] = first[0]

    grid = lying(agents, tamper)
    assert len(round_of(agents, grid, HOMES).updates) == 5
    before = len(grid.received)
    again = round_of(agents, grid, HOMES, gather=agents.gather("elsewhere"))
    assert again.updates == [] and len(grid.received) == before
    assert "has revealed this sum: it is not in it again" in again.left_out["ada"]


# The record of sums.


def test_an_update_that_can_not_be_written_down_does_not_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agents = Guarded(tmp_path)
    grid = agents.grid()

    def full(self: SumRecord, entry: dict[str, str]) -> None:
        raise FederationError("no space left")

    monkeypatch.setattr(SumRecord, "_append", full)
    gathered = round_of(agents, grid, HOMES)
    assert gathered.updates == [] and "no space left" in gathered.left_out["ada"]
    assert not [stage for _, stage, _ in grid.received if stage == "mask"]


@pytest.mark.parametrize("torn", [b'{"sta', b'{"start": "aa", "sum": "bb"}'])
def test_a_record_that_a_power_cut_tore_is_what_was_written_before(tmp_path: Path, torn: bytes) -> None:
    """What the torn line was to allow has not left."""
    record = SumRecord(tmp_path / "sums.jsonl")
    record.enter(b"one", b"sum", [])
    record.close()
    whole = record.path.read_bytes()
    record.path.write_bytes(whole + torn)
    again = SumRecord(record.path)
    assert again.path.read_bytes() == whole
    with pytest.raises(SecondSum):
        again.enter(b"one", b"other", [])
    again.enter(b"two", b"other", [])
    again.close()
    assert (record.path.stat().st_mode & 0o777) == 0o600


@pytest.mark.parametrize("line", ["{}", "[]", "no json", '{"start": "zz", "sum": "aa"}', '{"other": "aa"}', "1"])
def test_a_damaged_record_is_no_empty_one(tmp_path: Path, line: str) -> None:
    path = tmp_path / "sums.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(RecordDamaged, match="it is unknown which sums this home is in"):
        SumRecord(path)


def test_one_agent_of_a_home_at_a_time_has_its_record(tmp_path: Path) -> None:
    record = SumRecord(tmp_path / "sums.jsonl")
    with pytest.raises(FederationError, match=r"in use by process .*: two agents of one home"):
        SumRecord(record.path)
    record.close()
    SumRecord(record.path).close()


# Homes that cheat.


def with_member(agents: Guarded, cheat: str, kind: type[Member], monkeypatch: pytest.MonkeyPatch) -> WatchedGrid:
    """All homes run their real mods; one of them has a program of its own for its side of the sum."""
    import fl.secagg.client_mod

    real = agents.mods

    def mods(home: str) -> list[Mod]:
        made = real(home)
        if home == cheat:
            (place,) = [k for k, mod in enumerate(made) if type(mod).__name__ == "SecAggMod"]
            inner = made[place]

            def cheating(message: Message, context: Any, call_next: Any) -> Message:
                with monkeypatch.context() as patch:
                    patch.setattr(fl.secagg.client_mod, "Member", kind)
                    return inner(message, context, call_next)

            made[place] = cheating
        return made

    return agents.grid(mods_of=mods)


def flipped(data: bytes, at: int = 40) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


class ForgesOne(Member):
    """And stands by it when it is asked."""

    def share(self, keys: Any) -> dict[str, bytes]:
        envelopes = super().share(keys)
        envelopes["ada"] = flipped(envelopes["ada"])
        self._secrets.sent["ada"] = hashlib.sha256(envelopes["ada"]).digest()
        return envelopes


class ForgesAll(Member):
    def share(self, keys: Any) -> dict[str, bytes]:
        return {peer: flipped(envelope) for peer, envelope in super().share(keys).items()}


class WrongDigests(Member):
    def share(self, keys: Any) -> dict[str, bytes]:
        envelopes = super().share(keys)
        return envelopes | {"cyd": flipped(envelopes["cyd"], 150)}


class Slanders(Member):
    """Complains of good envelopes, as many as it can."""

    def check(self, envelopes: Any) -> dict[str, bytes]:
        super().check(envelopes)
        digests = {peer: hashlib.sha256(envelope).digest() for peer, envelope in envelopes.items()}
        return {peer: self._sign(complaint(self.session, self.name, peer, digests[peer])) for peer in digests}


class ForgesComplaints(Member):
    def check(self, envelopes: Any) -> dict[str, bytes]:
        super().check(envelopes)
        return {"ada": bytes(96), "zoe": b""}


class SameKeyTwice(Member):
    def keys(self) -> Any:
        from fl.secagg.session import PublicKeys

        keys = super().keys()
        twice = replace(keys, channel_key=keys.mask_key, signature=b"")
        return PublicKeys(
            twice.mask_key,
            twice.channel_key,
            twice.seed_commitment,
            self._sign(twice.signed_part(self.session, self.name)),
        )


class NoPoint(Member):
    def keys(self) -> Any:
        none = replace(super().keys(), mask_key=bytes(32))
        return replace(none, signature=self._sign(none.signed_part(self.session, self.name)))


class TooFewEnvelopes(Member):
    def share(self, keys: Any) -> dict[str, bytes]:
        envelopes = super().share(keys)
        envelopes.pop("ada")
        return envelopes


class SignsOtherMasks(Member):
    def mask(self, values: Any, shared: Any) -> Any:
        return replace(super().mask(values, shared), signature=bytes(96))


BEFORE_MASKS = {
    "forges one envelope": (ForgesOne, "its envelope to ada was forged"),
    "forges all": (ForgesAll, "it did not show what was in it"),
    "gives digests of other shares": (WrongDigests, "cyd could not open its envelope"),
    "complains of everybody": (Slanders, "in which nothing is wrong"),
    "forges complaints": (ForgesComplaints, "not signed by the identity"),
    "gives one key twice": (SameKeyTwice, "its key is not its own alone"),
    "gives no key": (NoPoint, "a public key is not one"),
    "leaves one out": (TooFewEnvelopes, "for each of the others"),
    "signs something else": (SignsOtherMasks, "what bob says is not signed"),
}


@pytest.mark.parametrize("how", BEFORE_MASKS)
def test_a_home_that_cheats_is_named_and_left_out_and_the_others_go_on(
    tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    agents, (kind, why) = Guarded(tmp_path), BEFORE_MASKS[how]
    gathered = round_of(agents, with_member(agents, "bob", kind, monkeypatch), HOMES)
    assert why in gathered.left_out["bob"] and set(gathered.left_out) == {"bob"}
    others = [home for home in HOMES if home != "bob"]
    assert [update.home for update in gathered.updates] == others
    np.testing.assert_allclose(mean_of(gathered), honest_mean(agents, others), atol=1e-6)


def test_a_home_whose_line_goes_down_before_it_can_answer_is_left_out_and_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else whoever complains of everybody has the honest homes shut out whose lines are slow."""
    homes = (*HOMES, "fay", "gil")
    agents = Guarded(tmp_path, homes)
    gather, grid = agents.gather(), with_member(agents, "bob", Slanders, monkeypatch)
    grid.gone = {"ada": "answer"}
    gathered = round_of(agents, grid, homes, gather=gather)
    assert "bob could not open its envelope, and it did not show what was in it" in gathered.left_out["ada"]
    assert set(gather.cheats) == {"bob"} and len(gathered.updates) == 5
    grid.gone, grid._left = {}, set()
    following = round_of(agents, grid, homes, {"w": ZERO["w"] + np.float32(1)}, gather)
    assert [update.home for update in following.updates] == [home for home in homes if home != "bob"]


class WrongShares(Member):
    """Reveals other shares than it was given."""

    def reveal(self, signatures: Any) -> dict[str, bytes]:
        return {owner: flipped(share, 0) for owner, share in super().reveal(signatures).items()}


class RestoresNothing(Member):
    """Seals shares of another seed than it masks with."""

    def share(self, keys: Any) -> dict[str, bytes]:
        from fl.secagg.shamir import random_secret

        seed, self._secrets.seed = self._secrets.seed, random_secret()
        envelopes = super().share(keys)
        self._secrets.seed = seed
        return envelopes


def test_a_home_that_reveals_wrong_shares_is_named_and_the_sum_is_opened_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agents = Guarded(tmp_path)
    gather, grid = agents.gather(), with_member(agents, "bob", WrongShares, monkeypatch)
    gathered = round_of(agents, grid, HOMES, gather=gather)
    np.testing.assert_allclose(mean_of(gathered), honest_mean(agents, HOMES), atol=1e-6)
    assert "revealed another share" in gather.cheats["bob"]
    following = round_of(agents, grid, HOMES, {"w": ZERO["w"] + np.float32(1)}, gather)
    assert "bob" in following.left_out and len(following.updates) == 4, "it is asked no more"


def test_a_home_that_spoils_a_sum_is_named_and_the_round_is_asked_again_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It costs that one model: homes have revealed, so that the sum can't be closed, and they leave that model."""
    agents = Guarded(tmp_path)
    gather, grid = agents.gather(), with_member(agents, "bob", RestoresNothing, monkeypatch)
    spoilt = round_of(agents, grid, HOMES, gather=gather)
    assert spoilt.updates == []
    assert "the shares that bob sealed restore something else than its seed" in spoilt.left_out["bob"]
    following = round_of(agents, grid, HOMES, {"w": ZERO["w"] + np.float32(1)}, gather)
    assert [update.home for update in following.updates] == [home for home in HOMES if home != "bob"]


# Homes that come.


def test_a_home_that_is_not_in_the_roster_yet_is_not_asked_and_stops_nobody(tmp_path: Path) -> None:
    """The others would refuse every sum with it until they have the new roster."""
    agents = Guarded(tmp_path)
    grid = agents.grid(
        [*(LeastSquares(home) for home in HOMES), LeastSquares("zoe")], lambda h: agents.mods(h) if h in HOMES else []
    )
    gathered = round_of(agents, grid, [*HOMES, "zoe"])
    assert gathered.left_out == {"zoe": "it is not in the roster"}
    np.testing.assert_allclose(mean_of(gathered), honest_mean(agents, HOMES), atol=1e-6)
