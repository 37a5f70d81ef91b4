"""A PostgreSQL server of the tests' own, from Debian's package, on a socket in a folder that is gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg

from tests.support.needed import is_missing

_USER = "wattproof"
PASSWORD = "correct horse"
"""Of the database's user: no log and no message may show it."""


class Postgres:
    """A running server. It refuses to be root's, so that as root it is started as Debian's `postgres`."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self._folder, self._programs = folder, programs
        self._as = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}

    def initialise(self) -> None:
        if self._as:
            postgres = pwd.getpwnam("postgres")
            os.chown(self._folder, postgres.pw_uid, postgres.pw_gid)
        secret = self._folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._run("initdb", "-D", "data", "-U", _USER, "-A", "scram-sha-256", "--pwfile", "password", "-E", "UTF8")

    def start(self) -> None:
        options = f"-c listen_addresses='' -c unix_socket_directories='{self._folder}' -c fsync=off"
        self._run("pg_ctl", "-D", "data", "-w", "-t", "120", "-l", "log", "-o", options, "start")

    def stop(self) -> None:
        """As a restart for an update does: whoever is connected is thrown out."""
        self._run("pg_ctl", "-D", "data", "-w", "-t", "120", "-m", "fast", "stop")

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """All its processes stand still, as on a machine that was paused; its connections stay open."""
        first = int((self._folder / "data/postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        processes = [first, *map(int, children)]
        try:
            for process in processes:
                os.kill(process, signal.SIGSTOP)
            yield
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)

    def new_database(self) -> str:
        """The URL of an empty database, as it would stand in api.database_url."""
        name = f"test_{uuid4().hex}"
        self.execute("postgres", f'CREATE DATABASE "{name}"')
        return f"postgresql://{_USER}:{PASSWORD}@/{name}?host={self._folder}"

    def execute(self, database: str, statement: str) -> None:
        """A statement of the administrator's, outside of any transaction."""
        where = {"host": str(self._folder), "user": _USER, "password": PASSWORD, "dbname": database}
        with psycopg.connect(**where, autocommit=True) as connection:
            connection.execute(statement.encode())

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._programs / program, *arguments], cwd=self._folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **self._as,
        )  # fmt: skip
        assert done.returncode == 0, f"{program}: {done.stdout}"


def _programs() -> Path:
    """Where initdb and pg_ctl are: Debian keeps them out of the path."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for place in places:
        if (place / "initdb").exists() and (place / "pg_ctl").exists():
            return place
    is_missing("there is no PostgreSQL", "apt-get install postgresql")


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server while the block runs."""
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="wp-pg-", dir="/tmp"))  # a socket's path has at most 107 characters
    folder.chmod(0o755)
    server = Postgres(folder, programs)
    try:
        server.initialise()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
