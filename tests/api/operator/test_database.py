"""The community's database, on SQLite and PostgreSQL: what it takes, who comes twice, when it cannot be used."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from traceback import format_exception

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, InternalError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from api.http.server import add_refusals
from api.one_machine.community import LocalCommunity
from api.operator.chain_session import keep_forecast, keep_reward
from api.operator.database import engine
from api.operator.database.engine import DatabaseError, add_once, is_away, open_database, reason_of
from api.operator.database.tables import Base, Forecast, Household, MaskedSum, ModelRound, PaidClaim, Reward
from api.operator.database.totals_version import TotalsVersion
from api.operator.paid_claims import keep_claim
from api.operator.settlement import Settlement
from api.protocol.bundle import ClaimBundle
from rewards.claims import Granted
from tests.api.conftest import DAY, Village, app_of, small_config
from tests.api.http.test_forecasts import refusal, submit
from tests.support.postgres import PASSWORD, Postgres
from tests.support.small_disk import fill, small_disk
from tests.support.waiting import until

LARGEST = (1 << 32) - 1
THREADS = 16
CHECKS = ("database", "chain", "proofs")


def engine_of(sessions: sessionmaker[Session]) -> Engine:
    bind = sessions.kw["bind"]
    assert isinstance(bind, Engine)
    return bind


def count(sessions: sessionmaker[Session], table: type[Base]) -> int:
    with sessions() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def at_once(*jobs: Callable[[], object]) -> list[object]:
    """What each job returns, or the error that it raises, all begun in the same moment."""
    start, found = threading.Barrier(len(jobs)), list[object]()

    def do(job: Callable[[], object]) -> None:
        start.wait()
        try:
            found.append(job())
        except Exception as error:  # noqa: BLE001 - it is what the test looks at
            found.append(error)

    threads = [threading.Thread(target=do, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_it_takes_every_day_and_round_that_the_api_takes(database_url: str) -> None:
    sessions = open_database(database_url)
    with sessions.begin() as session:
        session.add(Household(address="0x1", meter="0x2"))
        session.add(ModelRound(number=LARGEST, digest="0x3"))
        session.add(
            MaskedSum(day=LARGEST, kind="forecast", nonce="00", members={}, phase="keys", until=1.5, reason="")
        )
    row = Forecast(
        household="0x1", day=LARGEST, round=LARGEST, head="", commitment="", proof_hash="0x4", bundle=b"\0\xff"
    )
    with sessions.begin() as session:
        add_once(session, row)
    with sessions() as session:
        kept = session.scalars(select(Forecast)).one()
        assert (kept.day, kept.round, kept.bundle) == (LARGEST, LARGEST, b"\0\xff")


def test_a_record_that_many_bring_at_once_is_there_once(village_on: Village) -> None:
    community, bundle = village_on.community, village_on.bundle(village_on.homes[0])
    granted = Granted(7, 7, b"\x01" * 32)
    for keep, table in (
        (lambda: keep_forecast(community, bundle), Forecast),
        (lambda: keep_reward(community, bundle.household, DAY, granted), Reward),
    ):
        assert at_once(*[keep] * THREADS) == [None] * THREADS
        assert count(community.sessions, table) == 1


def test_a_claim_that_many_bring_at_once_is_kept_once(village_on: Village, claim: ClaimBundle) -> None:
    community = village_on.community
    assert at_once(*[lambda: keep_claim(community, claim)] * THREADS) == [None] * THREADS
    assert count(community.sessions, PaidClaim) == 1


def test_a_forecast_handed_in_many_times_at_once_is_registered_once(village_on: Village) -> None:
    """Each is told so; who comes later gets the first answer."""
    home = village_on.homes[0]
    answers = at_once(*[lambda: submit(village_on, village_on.bundle(home), home)] * THREADS)
    assert not (problems := [a for a in answers if isinstance(a, Exception)]), problems
    told = Counter((a.status_code, a.json().get("error")) for a in answers)  # type: ignore[attr-defined]
    assert told[201, None] >= 1 and set(told) <= {(201, None), (200, None)}, told
    assert count(village_on.community.sessions, Forecast) == 1
    assert village_on.chain_session.chain.nonce_of(home.wallet.address) == 2, "its head, and one forecast"


@pytest.mark.parametrize("column", ["head", "bundle"])
def test_a_database_without_a_column_is_refused_and_left_as_it_is(database_url: str, column: str) -> None:
    engine = engine_of(open_database(database_url))
    with engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE forecasts DROP COLUMN {column}"))
        connection.execute(text("DROP TABLE paid_claims"))
    with pytest.raises(
        DatabaseError,
        match=f"forecasts has no column {column}; there is no table paid_claims. Nothing was changed in it",
    ) as refusal:
        open_database(database_url)
    assert PASSWORD not in str(refusal.value) and "back the database up" in str(refusal.value)
    with engine.begin() as connection, pytest.raises(Exception, match="paid_claims"):
        connection.execute(text("SELECT 1 FROM paid_claims"))


@pytest.mark.process
def test_columns_of_an_older_version_are_named_with_what_widens_them(postgres_server: Postgres) -> None:
    url = postgres_server.new_database()
    engine = engine_of(open_database(url))
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE claimed_days ALTER COLUMN day TYPE INTEGER"))
    with pytest.raises(DatabaseError, match=r"\(ALTER TABLE claimed_days ALTER COLUMN day TYPE BIGINT\)"):
        open_database(url)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE claimed_days ALTER COLUMN day TYPE BIGINT"))
    open_database(url)


@pytest.mark.process
def test_a_database_that_was_restarted_is_used_again_unnoticed(postgres_server: Postgres) -> None:
    sessions = open_database(postgres_server.new_database())
    assert count(sessions, Household) == 0
    postgres_server.stop()
    postgres_server.start()
    assert count(sessions, Household) == 0


@pytest.mark.process
def test_while_the_database_is_away_the_server_lives_and_says_so(
    village: Village, postgres_server: Postgres, tmp_path: Path
) -> None:
    community = LocalCommunity(small_config(village.community.folder, postgres_server.new_database()))
    assert count(community.sessions, Household) == 0
    app = app_of(community, village.chain_session)
    client = TestClient(app)
    with app.state.work:
        app.state.work.start().result()
        assert client.get("/readyz").json() == {"ready": True, "checks": dict.fromkeys(CHECKS, "ok")}
        postgres_server.stop()
        try:
            assert client.get("/livez").status_code == 200
            ready = client.get("/readyz")
            assert (ready.status_code, ready.json()["checks"]["database"]) == (503, "the database does not answer")
            assert refusal(client.get("/health")) == (503, "not-ready")
            for path in (
                "/rounds",
                "/households",
                f"/forecasts/{DAY}",
                f"/days/{DAY}/forecast",
                f"/sums/{DAY}/forecast",
            ):
                answer = client.get(path)
                assert refusal(answer) == (503, "database-unreachable") and int(answer.headers["retry-after"]) > 0
        finally:
            postgres_server.start()
        assert client.get("/readyz").status_code == 200 and client.get("/rounds").json() == []


@pytest.mark.process
def test_a_database_that_takes_no_writes_is_not_ready(
    village: Village, postgres_server: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    """As a standby after a failover, which answers every question. What the server repeats says so in a line."""
    url = postgres_server.new_database()
    name = url.partition("@/")[2].partition("?")[0]
    community = LocalCommunity(small_config(village.community.folder, url))
    assert count(community.sessions, Household) == 0
    postgres_server.execute("postgres", f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    app = app_of(community, village.chain_session)
    community.sessions.kw["bind"].dispose()  # new connections have the setting
    client = TestClient(app)
    told = client.get("/readyz").json()["checks"]["database"]
    assert told.startswith("the database is read-only")
    assert refusal(client.get("/health")) == (503, "not-ready")
    with Settlement(community, village.chain_session).watch():
        (record,) = until(
            lambda: [one for one in caplog.records if one.getMessage() == "settling failed"], "it settles"
        )
    assert "read-only transaction" in vars(record)["reason"] and record.exc_info is None


@pytest.mark.process
def test_a_database_that_stands_still_is_not_waited_for(
    village: Village, postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine that was paused, or whose disk hangs: its connections are there, and nothing comes."""
    monkeypatch.setattr("api.operator.database.silent._SILENT_S", 0.3)
    monkeypatch.setattr("api.http.routes.health._LOOK_S", 0.1)
    monkeypatch.setitem(engine._POSTGRES, "connect_timeout", 2)
    community = LocalCommunity(small_config(village.community.folder, postgres_server.new_database()))
    assert count(community.sessions, Household) == 0
    client = TestClient(app_of(community, village.chain_session))
    with postgres_server.frozen():
        assert client.get("/readyz").json()["checks"]["database"] == "the database does not answer"
        for _ in range(2):  # on the connection that there is, and on a new one
            assert refusal(client.get("/rounds")) == (503, "database-unreachable")
    assert client.get("/rounds").json() == []


@pytest.mark.process
def test_an_upgrade_of_the_tables_may_take_its_time(
    postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement on whose answer a request would wait no longer."""
    slow = text("SELECT pg_sleep(0.5)")

    def upgrade(opened: Engine) -> None:
        with opened.connect() as connection:
            connection.execute(slow)

    monkeypatch.setattr("api.operator.database.silent._SILENT_S", 0.1)
    monkeypatch.setattr(engine, "upgrade", upgrade)
    with (
        open_database(postgres_server.new_database())() as session,
        pytest.raises(OperationalError, match="answered"),
    ):
        session.execute(slow)


@pytest.mark.process
def test_a_server_whose_disk_is_full_is_not_ready_until_there_is_room(village: Village, tmp_path: Path) -> None:
    """It passed for ready, and answered 503 to whatever it was to keep."""
    with small_disk(tmp_path / "disk", 4096) as disk:
        community = LocalCommunity(small_config(disk))
        client = TestClient(app_of(community, village.chain_session))
        row = PaidClaim(household="0x1", day=1, bundle=bytes(100_000))

        def database() -> str:
            return str(client.get("/readyz").json()["checks"]["database"])

        assert database() == "ok"
        ballast = fill(disk)
        assert "is full: free some space" in database()
        assert refusal(client.get("/health")) == (503, "not-ready")
        with pytest.raises(OperationalError) as full, community.sessions.begin() as session:
            add_once(session, row)
        assert is_away(full.value) and reason_of(full.value) == "database or disk is full: free some space"
        ballast.unlink()
        assert database() == "ok"
        with community.sessions.begin() as session:
            add_once(session, row)
        assert count(community.sessions, PaidClaim) == 1
        engine_of(community.sessions).dispose()


@pytest.mark.process
def test_a_table_that_somebody_else_keeps_locked_is_not_waited_for(
    postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not without end: the server has so many threads, and those that it answers /readyz with are among them."""
    monkeypatch.setattr(engine, "_LOCKED_MS", 100)
    url = postgres_server.new_database()
    sessions, other = open_database(url), open_database(url)
    with other.begin() as session:
        session.execute(text("LOCK TABLE households IN ACCESS EXCLUSIVE MODE"))
        for _ in range(2):  # also once a transaction of the same connection was undone
            with pytest.raises(OperationalError, match="lock timeout"):
                count(sessions, Household)
        with pytest.raises(DatabaseError, match="lock timeout"):
            session.execute(text("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE"))
            open_database(url)
    assert count(sessions, Household) == 0


def test_a_database_that_is_damaged_or_read_only_is_away_and_no_fault_of_the_server(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that is written over while it is open; a PostgreSQL that has become a standby."""
    file = tmp_path / "x.sqlite"
    sessions = open_database(f"sqlite:///{file}")
    with sessions.begin() as session:
        session.add_all(Household(address=f"{k:042d}", meter="0x") for k in range(200))
    engine_of(sessions).dispose()
    with file.open("r+b") as pages:
        pages.seek(4096)
        pages.write(b"\xa5" * (file.stat().st_size - 4096))
    version = TotalsVersion(lambda: sessions)

    def refused(kind: type[DBAPIError]) -> None:
        raise kind("INSERT", {}, Exception("cannot execute INSERT in a read-only transaction"))

    def reads(job: Callable[[], object]) -> Callable[[], str]:
        return lambda: str(job())

    app = FastAPI()
    add_refusals(app)
    for path, job in {
        "/rows": lambda: count(sessions, Household),
        "/version": version.read,
        "/standby": lambda: refused(InternalError),
        "/fault": lambda: refused(IntegrityError),
    }.items():
        app.get(path)(reads(job))
    client = TestClient(app, raise_server_exceptions=False)
    for path in ("/rows", "/version", "/standby"):
        assert refusal(client.get(path)) == (503, "database-unreachable"), path
    assert refusal(client.get("/fault")) == (500, "internal")
    told = [vars(record)["reason"] for record in caplog.records if "reason" in vars(record)]
    assert all("restore a copy from your backup" in reason for reason in told[:2]) and "read-only" in told[2]


def test_what_is_no_database_is_said_in_a_line(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.sqlite"
    damaged.write_bytes(b"SQLite format 3\0" + b"\xff" * 4000)
    other = tmp_path / "notes.sqlite"
    other.write_text("these are my notes\n" * 100)
    for url, told in {
        "foo://": "begins with foo",
        "no url": "is not a database URL",
        "mysql://me:secret@host/name": "begins with mysql",
        "postgresql+psycopg2://me:secret@host/name": "needs a driver that is not installed",
        "postgresql://me:secret@127.0.0.1:9/name": r"me:\*\*\*@127.0.0.1:9/name cannot be used",
        f"sqlite:///{damaged}": "keep it, and restore a copy from your backup",
        f"sqlite:///{other}": "keep it, and restore a copy from your backup",
        f"sqlite:///{tmp_path / 'nowhere' / 'x.sqlite'}": "cannot be used",
    }.items():
        with pytest.raises(DatabaseError, match=told) as refusal:
            open_database(url)
        assert "\n" not in str(refusal.value)
        assert "secret@" not in "".join(format_exception(refusal.value)), "nor does a traceback"
    assert other.read_text().startswith("these are my notes")
