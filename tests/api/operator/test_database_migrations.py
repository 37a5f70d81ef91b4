"""Every database that an earlier release made becomes this one's: whole or not at all, and nothing in it is lost."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from api.operator.database import migrations
from api.operator.database.engine import DatabaseError, open_database, put
from api.operator.database.migrations import HEAD
from api.operator.database.migrations.baseline import TABLES
from api.operator.database.tables import Base, ComputedTotals, Household, ModelRound
from tests.api.operator.test_database import at_once, count, engine_of

ROOT = Path(__file__).parents[3]


def test_head_is_the_newest_revision() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_migrations_lead_to_the_tables_that_there_are(database_url: str) -> None:
    """Whoever changes `tables.py` without a migration hears of it here."""
    engine = engine_of(open_database(database_url))
    with engine.connect() as connection:
        # SQLite's types are names only, which do not compare.
        options = {"compare_type": connection.dialect.name == "postgresql"}
        found = compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata)
    assert found == []
    engine.dispose()


def baseline(path: Path) -> str:
    """A database as releases before migrations made it, with a household and a table too few."""
    url = f"sqlite:///{path}"
    engine = create_engine(url)
    TABLES.create_all(engine)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO households VALUES ('0x1', '0x2')"))
        connection.execute(text("INSERT INTO rounds VALUES (7, '0x3')"))
        connection.execute(text("DROP TABLE paid_claims"))
    engine.dispose()
    return url


def test_a_database_from_before_migrations_goes_on(tmp_path: Path) -> None:
    sessions = open_database(baseline(tmp_path / "wattproof.sqlite"))
    assert (count(sessions, Household), count(sessions, ModelRound)) == (1, 1)
    assert inspect(engine_of(sessions)).has_table("paid_claims")


def test_one_whose_columns_are_not_known_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "wattproof.sqlite"
    url = baseline(path)
    with closing(sqlite3.connect(path)) as database:
        database.execute("ALTER TABLE households DROP COLUMN meter")
    before = dump(path)
    with pytest.raises(DatabaseError, match="households has no column meter"):
        open_database(url)
    assert dump(path) == before


def test_one_of_a_newer_release_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "wattproof.sqlite"
    open_database(f"sqlite:///{path}").kw["bind"].dispose()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    before = dump(path)
    with pytest.raises(DatabaseError, match="are of a newer release"):
        open_database(f"sqlite:///{path}")
    assert dump(path) == before


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        return list(database.iterdump())


def test_many_that_start_at_once_migrate_once(database_url: str) -> None:
    opened = at_once(*[lambda: open_database(database_url)] * 6)
    assert [problem for problem in opened if isinstance(problem, Exception)] == []
    for sessions in opened:
        engine_of(sessions).dispose()  # type: ignore[arg-type]


def test_the_last_that_is_put_is_what_there_is(database_url: str) -> None:
    sessions = open_database(database_url)

    def keep(number: int) -> None:
        with sessions.begin() as session:
            put(session, ComputedTotals(day=1, forecast=[number], measured=[number]))
            put(session, Household(address="0x1", meter=f"0x{number}"))

    assert at_once(*[lambda k=k: keep(k) for k in range(8)]) == [None] * 8  # type: ignore[misc]
    keep(9)
    with sessions() as session:
        kept, household = session.get(ComputedTotals, 1), session.get(Household, "0x1")
        assert kept is not None and (kept.forecast, kept.measured) == ([9], [9])
        assert household is not None and household.meter == "0x9"
    engine_of(sessions).dispose()


def test_sqlite_writes_ahead_and_waits_for_the_disk(tmp_path: Path) -> None:
    engine = engine_of(open_database(f"sqlite:///{tmp_path / 'wattproof.sqlite'}"))
    with engine.connect() as connection:
        told = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
    assert told == ["wal", 2]


KILLED_IN_MIGRATION = """
import os, signal, sys
from sqlalchemy import event, Engine
from api.operator.database.engine import open_database
left = int(sys.argv[2])
@event.listens_for(Engine, "before_cursor_execute")
def count(connection, cursor, statement, *rest):
    global left
    left -= "CREATE TABLE" in statement or "INSERT INTO alembic" in statement
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
open_database(sys.argv[1])
"""
KILLED_IN_WRITING = """
import sys
from api.operator.database.engine import open_database, put
from api.operator.database.tables import Household, ModelRound
sessions = open_database(sys.argv[1])
number = 0
while True:
    number += 1
    with sessions.begin() as session:
        put(session, Household(address=f"0x{number}", meter="0x2"))
        put(session, ModelRound(number=number, digest="0x3"))
    print(number, flush=True)
"""


def run(program: str, *words: str) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", program, *words], stdout=subprocess.PIPE, text=True, env=environment
    )


@pytest.mark.process
@pytest.mark.parametrize("steps", [0, 1, 2])
def test_one_that_is_killed_while_it_migrates_has_done_nothing(tmp_path: Path, steps: int) -> None:
    path = tmp_path / "wattproof.sqlite"
    url = baseline(path)
    before = dump(path)
    process = run(KILLED_IN_MIGRATION, url, str(steps))
    assert process.wait() == -signal.SIGKILL
    assert dump(path) == before
    assert count(open_database(url), Household) == 1


@pytest.mark.process
def test_what_was_acknowledged_before_a_kill_is_there_and_whole(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'wattproof.sqlite'}"
    process = run(KILLED_IN_WRITING, url)
    assert process.stdout is not None
    told = [int(process.stdout.readline()) for _ in range(25)]
    process.kill()
    told += [int(line) for line in process.stdout.read().split()]
    process.wait()
    sessions = open_database(url)
    households, rounds = count(sessions, Household), count(sessions, ModelRound)
    assert households == rounds >= told[-1], "both rows of a commit or neither; none that was told is gone"
    assert households <= told[-1] + 1
