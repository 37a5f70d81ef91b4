"""The database: SQLite in a file by default, any other by its URL."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import create_engine, event, make_url
from sqlalchemy.engine import Engine
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

from api.errors import StateError
from api.models import Base

Sessions = sessionmaker[Session]


def open_database(url: str) -> Sessions:
    """Connect and make what tables are missing. Raises StateError for a URL that is none."""
    try:
        parsed = make_url(url)
        engine = create_engine(parsed)
    except (ArgumentError, ModuleNotFoundError) as error:
        raise StateError(f"api.database_url cannot be used ({error}); write it as SQLAlchemy does") from None
    if parsed.get_backend_name() == "sqlite":
        if parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        _tune_sqlite(engine)
    Base.metadata.create_all(engine)
    return sessionmaker(engine)


def _tune_sqlite(engine: Engine) -> None:
    """Foreign keys are held, and readers do not wait for the writer."""

    @event.listens_for(engine, "connect")
    def on_connect(connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.close()
