"""The community's database, SQLite or PostgreSQL: opened, compared with what this version needs, written to once.

A database of another version is refused, not altered.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Engine, create_engine, inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from api.operator.database.tables import Base

_POOL = {"pool_size": 8, "max_overflow": 48, "pool_timeout": 10}  # a connection for each thread that may want one
_POSTGRES = {"connect_timeout": 5, "tcp_user_timeout": 15_000, "keepalives_idle": 30}  # s, ms, s


class DatabaseError(ValueError):
    """A database that cannot be used; the message says why, and what to do, without the password of its URL."""


def open_database(url: str) -> sessionmaker[Session]:
    """Sessions on the database of a URL; makes the tables where they are missing. Raises DatabaseError."""
    engine = _engine(url)
    try:
        _check_tables(engine)
        Base.metadata.create_all(engine)
    except SQLAlchemyError as error:
        engine.dispose()
        raise DatabaseError(_unusable(engine.url, error)) from None
    return sessionmaker(engine, expire_on_commit=False)


def add_once(session: Session, row: Base) -> None:
    """Insert a row, unless one exists with its key or its unique columns: the first writer wins."""
    kind = type(row)
    values = {column.key: getattr(row, column.key) for column in inspect(kind).column_attrs}
    known = {name: value for name, value in values.items() if value is not None}  # the others get their defaults
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    session.execute(insert(kind).values(known).on_conflict_do_nothing())


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise DatabaseError(
            "api.database_url is not a database URL: write it like postgresql://USER:PASSWORD@HOST/NAME, or leave "
            "it out for SQLite in api.state_dir"
        ) from None
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    kind = parsed.get_backend_name()
    if kind not in ("sqlite", "postgresql"):
        raise DatabaseError(f"api.database_url begins with {kind}: only postgresql and sqlite are supported")
    options: dict[str, Any] = {"connect_args": _POSTGRES} if kind == "postgresql" else {}
    try:
        # Pre-ping: a connection that the database has closed, for instance by a restart, is reopened transparently.
        engine = create_engine(parsed, pool_pre_ping=True, hide_parameters=True, **_POOL, **options)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise DatabaseError(
            f"api.database_url needs a driver that is not installed ({error}): "
            "pip install 'wattproof[postgres]', and write the URL as postgresql://..."
        ) from None
    return engine


def _check_tables(engine: Engine) -> None:
    """Check that the existing tables fit this version. Raises DatabaseError naming the columns that do not."""
    found, problems = inspect(engine), list[str]()
    names = set(found.get_table_names())
    for table in (table for table in Base.metadata.sorted_tables if table.name in names):
        there = {column["name"]: column["type"] for column in found.get_columns(table.name)}
        missing = [column.name for column in table.columns if column.name not in there]
        narrow = [
            column.name
            for column in table.columns
            if engine.dialect.name == "postgresql"
            and isinstance(column.type, BigInteger)
            and not isinstance(there.get(column.name, column.type), BigInteger)
        ]
        problems += [f"{table.name} has no column {', '.join(missing)}"] if missing else []
        alter = ", ".join(f"ALTER COLUMN {name} TYPE BIGINT" for name in narrow)
        problems += [f"{table.name} has columns too narrow (ALTER TABLE {table.name} {alter})"] if narrow else []
    if problems:
        raise DatabaseError(
            f"the database {_shown(engine.url)} was made by another version: {'; '.join(problems)}. Nothing was "
            "changed in it. Keep using that version, or back the database up and alter its tables"
        )


def _unusable(url: URL, error: SQLAlchemyError) -> str:
    """Why a database cannot be opened, without its password."""
    reason = str(error.orig if isinstance(error, DBAPIError) else error).strip().splitlines()[0]
    if url.password:
        reason = reason.replace(str(url.password), "***")
    if "not a database" in reason or "malformed" in reason:
        return f"{url.database} is damaged, or not an SQLite database: keep it, and restore a copy from your backup"
    return f"the database {_shown(url)} cannot be used ({reason}): is it running, and is api.database_url right?"


def _shown(url: URL) -> str:
    return url.render_as_string(hide_password=True)
