"""`wattproof settle` and `audit-settlement`: a period by its name, files for everybody, a verdict by exit code."""

import json
import shutil
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer

from api.cli.main import app
from api.cli.settle_commands import period_named
from api.config.community_yaml import load
from api.config.tracing import SettledPeriod
from api.operator.community import Community
from api.operator.settlement_root import REGISTRY, registry_address
from api.protocol import settlement_file
from data.day import DayClock
from data.table import long_table, write_table
from rewards.compile import artefact
from tests.rewards.conftest import account
from tests.support.commands import CliRunner, output
from tests.support.otlp_receiver import otlp_receiver

pytestmark = pytest.mark.slow

CLOCK = DayClock(23)
FIRST = date(2026, 3, 2)
DAYS = 7
SETTINGS = """
community: {{name: Three Roofs}}
data: {{source: files, files: [homes.csv], day_start_utc: 23}}
api: {{state_dir: state}}
settlement: {{fewest_days: 7, premium: 11.0{more}}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three homes, one of them without a roof of its own, for a week."""
    path = tmp_path_factory.mktemp("roofs")
    start = CLOCK.start_of(CLOCK.day_on(FIRST))
    ds = pd.date_range(start, periods=24 * DAYS, freq="h", unit="ns")
    tables = []
    for k in range(3):
        net = np.random.default_rng(k).integers(100, 900, len(ds)) - np.where(
            (ds.hour > 8) & (ds.hour < 17), k * 600, 0
        )
        fed_in = pd.Series(np.maximum(-net, 0), dtype="Int64")
        tables.append(long_table(f"roof-{k}", ds, np.maximum(net, 0), export=fed_in))
    write_table(pd.concat(tables, ignore_index=True), path / "homes.csv")
    (path / "community.yaml").write_text(SETTINGS.format(more=""), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def settled(folder: Path) -> Path:
    done = CliRunner().invoke(
        app, ["settle", "2026-03-02..2026-03-08", "-c", str(folder / "community.yaml"), "--out", str(folder / "out")]
    )
    assert done.exit_code == 0, done.output
    return folder / "out"


def test_paying_needs_a_price_and_the_operators_tokens_and_moves_none_without(folder: Path, settled: Path) -> None:
    for price, why in (("", "settlement.tokens_per_kwh"), (", tokens_per_kwh: 1", "has 0: transfer")):
        (folder / "paid.yaml").write_text(SETTINGS.format(more=price), encoding="utf-8")
        command = [
            "settle",
            "2026-03-02..2026-03-08",
            "-c",
            str(folder / "paid.yaml"),
            "--out",
            str(settled),
            "--pay",
        ]
        done = CliRunner().invoke(app, command)
        said = f"{done.output} {done.exception}"
        assert done.exit_code == 1 and why in " ".join(said.split()), said
    assert not (settled / "settlement-payments.json").exists()


def test_shares_are_paid_in_a_token_of_the_communitys_choice_and_once(
    folder: Path, settled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the command alone, from published root to paid shares; again it pays nothing. It is a step of the period's
    trace, without what anybody was paid."""
    (folder / "token.yaml").write_text(SETTINGS.format(more=""), encoding="utf-8")
    community = Community(load(folder / "token.yaml"))
    settlement, _ = settlement_file.read((settled / "settlement.json").read_bytes())
    rate = {"import": 10**13, "export": 10**13}
    treasury = account(77)
    chain = community.open_chain()
    chain.fund(treasury.address)
    token = chain.deploy(treasury, artefact("reward_token"))
    chain.send(treasury, token.functions.propose_minter(treasury.address))
    budget = settlement.period.shared_wh * sum(rate.values())
    chain.send(treasury, token.functions.mint(community.operator.address, budget))
    chain.close()
    more = f", tokens_per_kwh: 0.02, token: '{token.address}'"
    (folder / "token.yaml").write_text(SETTINGS.format(more=more), encoding="utf-8")
    out = folder / "paid"
    shutil.copytree(settled, out)
    command = ["settle", "2026-03-02..2026-03-08", "-c", str(folder / "token.yaml"), "--out", str(out), "--pay"]
    of = settlement.period
    period = SettledPeriod(community.config.community.identifier, of.first, of.last)
    due = {
        household: sum(rate[side] * share.wh for (of, side), share in settlement.shares.items() if of == household)
        for household in settlement.period.households
    }
    for _ in range(2):
        with otlp_receiver() as collector, monkeypatch.context() as traced:
            traced.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
            told = " ".join(output(*command).split())
        (span,) = collector.spans
        assert (span.name, span.parent) == ("pay period on chain", f"{period.ids[1]:016x}")
        assert span.attributes.keys() == {f"wattproof.{name}" for name in ("first_day", "last_day", "transaction")}
        assert f"Paid: {sum(due.values())} of {budget} paid in" in told and "It is final when" not in told
        chain = community.open_chain()
        balance = chain.contract(artefact("reward_token"), str(token.address)).functions.balanceOf
        assert {household: balance(household).call() for household in due} == due and any(due.values())
        assert balance(community.operator.address).call() == 0, "all of it was paid in, once"
        chain.close()
    for other, why in (("0x" + "11" * 20, "no contract"), (None, f"set settlement.token to {token.address}")):
        more = ", tokens_per_kwh: 0.02" + ("" if other is None else f", token: '{other}'")
        (folder / "token.yaml").write_text(SETTINGS.format(more=more), encoding="utf-8")
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 1 and why in str(done.exception), "it pays in no other token, and says so"
    paid = json.loads((out / "settlement-payments.json").read_bytes())
    assert paid["token"] == token.address and paid["paid"] == str(sum(due.values()))


def audit(file: Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["audit-settlement", str(file)])
    return done.exit_code, done.output


def test_a_period_is_a_month_or_two_dates() -> None:
    assert period_named("2028-02").last == date(2028, 2, 29)
    named = period_named("2026-03-02..2026-03-08")
    assert list(named.days(CLOCK)) == list(range(CLOCK.day_on(FIRST), CLOCK.day_on(FIRST) + DAYS))


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-13", "2026-03-08..2026-03-02", "2020-01-01..2026-01-01", "..", "x"]
)
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        period_named(text)


def test_a_settlement_is_written_for_members_accountant_and_auditor(settled: Path) -> None:
    assert {path.name for path in settled.iterdir()} == {
        "settlement.json", "members.csv", "hours.csv", "period.png", "period-dark.png",
    }  # fmt: skip
    members = pd.read_csv(settled / "members.csv")
    hours = pd.read_csv(settled / "hours.csv")
    assert list(members["home"]) == ["roof-0", "roof-1", "roof-2", "(community)"]
    assert list(members["status"]) == ["proven"] * 3 + ["remainder"]
    shared = hours["shared_wh"].sum()
    assert members["shared_taken_wh"].sum() == members["shared_fed_in_wh"].sum() == shared > 0
    assert len(hours) == 24 * DAYS
    assert members["premium_taken_cents"].sum() + members["premium_fed_in_cents"].sum() == shared * 11 // 1000


def test_statements_are_pdf_where_they_are_asked_for(folder: Path, settled: Path) -> None:
    out = folder / "with-pdf"
    arguments = ["settle", "2026-03-02..2026-03-08", "-c", str(folder / "community.yaml"), "--out", str(out), "--pdf"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert (out / "members.csv").read_bytes() == (settled / "members.csv").read_bytes()
    for name in ("statement", "homes/roof-0", "homes/roof-1", "homes/roof-2"):
        assert (out / f"{name}.pdf").read_bytes().startswith(b"%PDF-"), name
    for name in ("settlement.json", "members.csv", "statement.pdf", "homes/roof-1.pdf"):
        assert (out / name).stat().st_mode & 0o077 == 0, "shares are for the machine's owner to hand out"


def test_without_fpdf_nothing_is_settled_for_a_pdf(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fpdf", None)
    arguments = ["settle", "2026-03-02..2026-03-08", "-c", str(folder / "community.yaml"), "--out", str(folder / "n")]
    done = CliRunner().invoke(app, [*arguments, "--pdf"])
    assert done.exit_code != 0 and "leave out --pdf" in str(done.exception) and not (folder / "n").exists()


def test_it_is_audited_from_its_file_alone(settled: Path) -> None:
    code, told = audit(settled / "settlement.json")
    assert code == 0 and "The settlement holds." in told and "All 6 shares are proven" in told
    done = CliRunner().invoke(app, ["audit-settlement", str(settled / "settlement.json"), "--json"])
    assert json.loads(done.output)["verdict"] == "holds"


def test_a_false_share_and_a_false_total_are_found(settled: Path, tmp_path: Path) -> None:
    """Every sum in the file is made to fit: what is left to find it is the proof, and the meters' commitments."""
    content = json.loads((settled / "settlement.json").read_text())
    share = next(s for s in content["shares"] if s["side"] == "import" and s["share_wh"] > 0)
    share["share_wh"] += 1
    content["remainder_wh"]["import"] -= 1
    if content["remainder_wh"]["import"] < 0:
        other = next(s for s in content["shares"] if s["side"] == "import" and s is not share)
        other["share_wh"] -= 1
        content["remainder_wh"]["import"] += 1
    found = audit(_with_its_root(content, tmp_path))
    assert found[0] == 3 and "is NOT proven" in found[1]
    content = json.loads((settled / "settlement.json").read_text())
    hours = content["days"][0]["import_totals"][0]["values_wh"]
    hours[0] += 1  # at night, where nothing is shared: no other figure changes
    found = audit(_with_its_root(content, tmp_path))
    assert found[0] == 3 and "are NOT those of days" in found[1]


def _with_its_root(content: dict[str, object], folder: Path) -> Path:
    """The file with the root that its shares come to, as a careful forger would write it."""
    path = folder / "forged.json"
    path.write_text(json.dumps(content))
    _, told = audit(path)
    if "root is stated" in told:
        content["root"] = told.replace("\n", "").split("comes to ")[1][:66]
        path.write_text(json.dumps(content))
    return path


def test_a_file_that_is_no_settlement_does_not_hold(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    assert audit(tmp_path / "x.json")[0] == 3


def test_settling_again_gives_the_same_shares(folder: Path, settled: Path) -> None:
    again = folder / "again"
    arguments = ["settle", "2026-03-02..2026-03-08", "-c", str(folder / "community.yaml"), "--out", str(again)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert (again / "members.csv").read_bytes() == (settled / "members.csv").read_bytes()


def test_the_root_is_published_once_and_the_settlement_stays(folder: Path, settled: Path) -> None:
    arguments = ["settle", "2026-03-02..2026-03-08", "-c", str(folder / "community.yaml"), "--out", str(settled)]
    before = (settled / "settlement.json").read_bytes()
    told = [CliRunner().invoke(app, [*arguments, "--publish"]) for _ in range(2)]
    assert [done.exit_code for done in told] == [0, 0], told[0].output
    assert told[0].output == told[1].output
    assert json.loads(before)["root"] in told[0].output.replace("\n", "")
    assert (settled / "settlement.json").read_bytes() == before, "no share is proven anew"
    address = registry_address(next(folder.rglob(REGISTRY)))
    assert address in told[0].output


@pytest.mark.parametrize("options", [["--registry", "r.json"], ["--rpc-url", "http://127.0.0.1:1"]])
def test_a_registry_takes_a_node_and_a_node_something_to_ask(settled: Path, options: list[str]) -> None:
    done = CliRunner().invoke(app, ["audit-settlement", str(settled / "settlement.json"), *options])
    assert done.exit_code == 2


def test_another_key_for_a_settled_period_is_refused(folder: Path, settled: Path) -> None:
    """The difference of two shares would tell more than either: each household refuses a second one."""
    other = folder / "other.yaml"
    other.write_text(SETTINGS.format(more=", key: equal"), encoding="utf-8")
    done = CliRunner().invoke(app, ["settle", "2026-03-02..2026-03-08", "-c", str(other), "--out", str(folder / "o")])
    assert done.exit_code != 0 and "settled before" in str(done.exception)
    assert not (folder / "o").exists()


@pytest.mark.parametrize("more", [", key: static", ", numbers: {roof-0: 1}", ", key: priority, numbers: {roof-9: 1}"])
def test_a_key_that_does_not_fit_its_numbers_is_refused(more: str, folder: Path) -> None:
    settings = folder / "wrong.yaml"
    settings.write_text(SETTINGS.format(more=more), encoding="utf-8")
    done = CliRunner().invoke(app, ["settle", "2026-03-02..2026-03-08", "-c", str(settings)])
    assert done.exit_code != 0 and "settlement." in str(done.exception)


@pytest.mark.parametrize(
    ("content", "period", "complaint"),
    [
        (None, "2026-03", "stays as it is: name another folder"),
        ("{", "2026-03-02..2026-03-08", "is damaged"),
        ("", "2026-03-02..2026-03-08", "is damaged"),
    ],
)
def test_a_settlement_that_is_there_is_never_written_over(
    content: str | None, period: str, complaint: str, folder: Path, settled: Path, tmp_path: Path
) -> None:
    """Not by another period's, and a damaged one not by one whose proofs and root are others."""
    file = tmp_path / "settlement.json"
    file.write_text((settled / "settlement.json").read_text() if content is None else content)
    before = file.read_bytes()
    done = CliRunner().invoke(app, ["settle", period, "-c", str(folder / "community.yaml"), "--out", str(tmp_path)])
    assert done.exit_code == 1 and complaint in str(done.exception)
    assert file.read_bytes() == before and list(tmp_path.iterdir()) == [file]
