"""A database of this or an earlier release made this release's: all of it or nothing, whoever comes at once.

Revisions are Alembic's (`migrations/`). A database that is up to date costs one query, and Alembic is not loaded.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import BigInteger, Connection, Engine, MetaData, inspect, text

from api.operator.database.migrations import HEAD
from api.operator.database.migrations.baseline import TABLES
from api.operator.database.tables import Base

_VERSION = "alembic_version"
_LOCK = 0x57415454  # of PostgreSQL's advisory ones: two that start at once migrate one after the other


class OtherTables(ValueError):
    """A database whose tables are no release's that this one knows; the message names what is wrong."""


def upgrade(engine: Engine) -> None:
    """Bring the database to HEAD. Raises OtherTables, and then nothing was changed."""
    with engine.begin() as connection:
        if _revision(connection) != HEAD:
            _lock(connection)
            _migrate(connection)
        _check(connection, Base.metadata, whole=True)


def _migrate(connection: Connection) -> None:
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    found = _revision(connection)  # now that nobody else changes it
    if found is None:
        _check(connection, TABLES, whole=False)  # made before there were migrations, or empty
    elif found not in {script.revision for script in scripts.walk_revisions()}:
        raise OtherTables(f"its tables are of a newer release (revision {found}; this one knows {HEAD})")
    with EnvironmentContext(config, scripts, fn=lambda revision, _: scripts._upgrade_revs("head", revision)) as run:
        run.configure(connection=connection)  # a migration is within its transaction
        run.run_migrations()


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_VERSION):
        return None
    told: str | None = connection.scalar(text(f"SELECT version_num FROM {_VERSION}"))
    return told


def _lock(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    else:
        # The driver begins no transaction for DDL; in one that is begun here, all of it is undone together.
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _check(connection: Connection, expected: MetaData, *, whole: bool) -> None:
    """Whether the tables there serve; `whole`: and are all there. Raises OtherTables that names what is wrong."""
    found, problems = inspect(connection), list[str]()
    names = set(found.get_table_names())
    for table in expected.sorted_tables:
        if table.name not in names:
            problems += [f"there is no table {table.name}"] if whole else []
            continue
        there = {column["name"]: column["type"] for column in found.get_columns(table.name)}
        missing = [column.name for column in table.columns if column.name not in there]
        narrow = [
            column.name
            for column in table.columns
            if connection.dialect.name == "postgresql"
            and isinstance(column.type, BigInteger)
            and not isinstance(there.get(column.name, column.type), BigInteger)
        ]
        problems += [f"{table.name} has no column {', '.join(missing)}"] if missing else []
        alter = ", ".join(f"ALTER COLUMN {name} TYPE BIGINT" for name in narrow)
        problems += [f"{table.name} has columns too narrow (ALTER TABLE {table.name} {alter})"] if narrow else []
    if problems:
        raise OtherTables("; ".join(problems))
