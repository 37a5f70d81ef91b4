"""The community's database, SQLite or PostgreSQL: opened, brought to this release's tables, written to once.

SQLite has its write-ahead log, so that who reads and who writes do not wait for one another, and every commit is on
the disk before it is answered (synchronous=FULL).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, create_engine, event, inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    NoSuchModuleError,
    ProgrammingError,
    SQLAlchemyError,
)
from sqlalchemy.exc import DatabaseError as DatabaseRefused
from sqlalchemy.exc import DataError as ValueRefused
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker

from api.operator.database.tables import Base
from api.operator.database.upgrade import OtherTables, upgrade

_POOL = {"pool_size": 8, "max_overflow": 48, "pool_timeout": 10}  # a connection for each thread that may want one
_POSTGRES = {"connect_timeout": 5, "tcp_user_timeout": 15_000, "keepalives_idle": 30}  # s, ms, s

_LOCKED_MS = 10_000  # PostgreSQL: nobody waits longer for a table that somebody alters, or every thread soon would
_BUSY_MS = 30_000  # SQLite: who writes waits so long for another that does


AWAY = DatabaseRefused, InterfaceError, PoolTimeout
"""Errors of a database that cannot be used (`is_away` tells apart what else they are)."""


class DatabaseError(ValueError):
    """A database that cannot be used; the message says why, and what to do, without the password of its URL."""


def open_database(url: str) -> sessionmaker[Session]:
    """Sessions on the database of a URL, brought to this release's tables (`upgrade`). Raises DatabaseError."""
    engine = _engine(url)
    try:
        upgrade(engine)
    except OtherTables as error:
        engine.dispose()
        raise DatabaseError(
            f"the database {_shown(engine.url)} was made by another version: {error}. Nothing was changed in it. "
            "Keep using that version, or back the database up and alter its tables"
        ) from None
    except SQLAlchemyError as error:
        engine.dispose()
        raise DatabaseError(_unusable(engine.url, error)) from None
    if engine.dialect.name == "postgresql":
        engine.dispose()  # an upgrade may take its time, what follows may not
        event.listen(engine, "do_connect", _answering)
    return sessionmaker(engine, expire_on_commit=False)


def add_once(session: Session, row: Base) -> None:
    """Insert a row, unless one exists with its key or its unique columns: the first writer wins."""
    session.execute(_insert(session, row).on_conflict_do_nothing())


def put(session: Session, row: Base) -> None:
    """Insert a row, or update the one with its key: the last writer wins, in one statement."""
    keys = [column.name for column in inspect(type(row)).primary_key]
    insert = _insert(session, row)
    others = {column.name: column for column in insert.excluded if column.name not in keys}
    session.execute(insert.on_conflict_do_update(index_elements=keys, set_=others))


def _insert(session: Session, row: Base) -> Any:
    kind = type(row)
    values = {column.key: getattr(row, column.key) for column in inspect(kind).column_attrs}
    known = {name: value for name, value in values.items() if value is not None}  # the others get their defaults
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    return insert(kind).values(known)


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
    event.listen(engine, "connect", _write_ahead if kind == "sqlite" else _wait_no_longer)
    return engine


def _write_ahead(connection: Any, _record: Any) -> None:
    for setting in (f"busy_timeout={_BUSY_MS}", "journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {setting}").close()


def _answering(_dialect: Any, _record: Any, arguments: Any, options: Any) -> Any:
    from api.operator.database.silent import AnsweringConnection  # psycopg is an extra

    return AnsweringConnection.connect(*arguments, **options)


def _wait_no_longer(connection: Any, _record: Any) -> None:
    connection.execute(f"SET lock_timeout = {_LOCKED_MS}")
    connection.commit()  # or the end of the first transaction would undo it


def is_away(error: SQLAlchemyError) -> bool:
    """Whether the database cannot be used: it is away, full, damaged or read-only. Anything else is a fault of ours,
    among it what a database that is well refuses."""
    return isinstance(error, AWAY) and not isinstance(error, IntegrityError | ProgrammingError | ValueRefused)


def reason_of(error: SQLAlchemyError) -> str:
    """Why a database that was opened cannot be used any more, in a line."""
    reason = _told_by(error)
    if _is_damage(reason):
        return f"{reason}: keep the file, and restore a copy from your backup"
    return f"{reason}: free some space" if _is_full(reason) else reason


def _told_by(error: SQLAlchemyError) -> str:
    return str(error.orig if isinstance(error, DBAPIError) else error).strip().splitlines()[0]


def _is_full(reason: str) -> bool:
    """Of SQLite's words, and of the system's as PostgreSQL tells them."""
    return "disk is full" in reason or "No space left" in reason


def _is_damage(reason: str) -> bool:
    return "not a database" in reason or "malformed" in reason


def _unusable(url: URL, error: SQLAlchemyError) -> str:
    """Why a database cannot be opened, without its password."""
    reason = _told_by(error)
    if url.password:
        reason = reason.replace(str(url.password), "***")
    if _is_damage(reason):
        return f"{url.database} is damaged, or not an SQLite database: keep it, and restore a copy from your backup"
    return f"the database {_shown(url)} cannot be used ({reason}): is it running, and is api.database_url right?"


def _shown(url: URL) -> str:
    return url.render_as_string(hide_password=True)
