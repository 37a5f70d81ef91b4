"""A machine's state in one file, and back: keys, wallets, vaults, rounds, database, the embedded chain, readings.

The copy is taken while agent or server run: databases by SQLite's own backup, then everything else, whose files are
replaced whole; the chain's journal comes last, so that it holds all that the database speaks of. One-time secrets of
sums (`state/sums/`) are left out: put back, they could have a home enter a sum twice. Which sums its homes are in is
kept, and a restored home stays out of every other one that its former self may be in.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sqlite3
import tarfile
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path, PurePosixPath

from api.config.community_yaml import Config
from api.gateway.secure_sum.contribution import SHARED_DAYS
from api.gateway.secure_sum.state import SecureSumFolder
from api.protocol.secure_sum import KINDS, Kind
from data.atomic import replacing, write_bytes
from data.errors import DataError
from data.json_text import loads
from fl.store import MOMENTS

_MANIFEST = "manifest.json"
_FORMAT = 1
_DATABASES = (".sqlite", ".db")
_SQLITE_MAGIC = b"SQLite format 3\0"
_SUMS = "sums"
_LAST = "chain.jsonl"
_OPERATOR = "operator"
_SETTING_OF = {"tables": "data.files or data.quarters", _OPERATOR: "rewards.key_file"}
_DAMAGED = (
    tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError, KeyError, TypeError, RecursionError,
)  # fmt: skip
"""What reading a file raises that is no whole backup."""
_DAY_S = 86_400
_ASKED_DAYS = 10


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself; `made`: UTC seconds; `sha256`: of each file, by its name in the archive."""

    format: int
    community: str
    made: int
    sha256: dict[str, str]


class BackupError(DataError):
    """A backup can't be written, or what was given is none."""


def write_backup(config: Config, out: Path, now: float | None = None) -> int:
    """Write a backup, readable by its owner alone; returns how many files are in it.

    `now`: UTC seconds. Raises BackupError where `out` exists or there is nothing to keep, OSError.
    """
    if out.exists():
        raise BackupError(f"{out} is there already and stays as it is: name another file")
    found = list(_files(config))
    if not found:
        raise BackupError(f"there is nothing to keep: {config.api.state_dir} does not exist")
    with replacing(out, private=True) as draft, tarfile.open(fileobj=draft, mode="w:gz") as archive:
        kept = chain(_marks(config), _contents(found))
        hashes = {name: _add(archive, name, content) for name, content in kept}
        made = int(time.time() if now is None else now)
        manifest = Manifest(_FORMAT, config.community.name, made, hashes)
        _add(archive, _MANIFEST, json.dumps(asdict(manifest), indent=1).encode())
    return len(hashes)


def restore_backup(config: Config, backup: Path, now: float | None = None) -> list[Path]:
    """Put everything back where the settings say; nothing that is there is changed. Returns the folders made.

    The whole archive is checked before anything is written. Raises BackupError.
    """
    contents, manifest = _read(backup)
    if manifest.community != config.community.name:
        raise BackupError(f"{backup} is of the community {manifest.community!r}, not {config.community.name!r}")
    places = {name: _place(config, name) for name in contents}
    taken = sorted({str(path) for path in places.values() if path.exists()})
    if taken:
        raise BackupError(f"{taken[0]} is there already and stays as it is: move it away, or restore elsewhere")
    _write_all({places[name]: content for name, content in contents.items()})
    _stay_out_of_sums(config, manifest.made, time.time() if now is None else now)
    return sorted({_root(config, name) for name in contents})


def _roots(config: Config) -> dict[str, Path]:
    return {"state": config.api.state_dir, "keys": config.federation.deployment.keys_dir}


def _outside(config: Config) -> dict[str, Path]:
    """Files that settings name one by one: name in the archive -> path. Tables of one name are told apart by their
    place in the settings."""
    found: dict[str, Path] = {}
    # Tables of quarters come last: where the others are in backups of earlier releases stays.
    for place, path in enumerate((*config.data.files, *filter(None, (config.data.weather,)), *config.data.quarters)):
        name = f"tables/{path.name}"
        found[name if name not in found else f"tables/{place}/{path.name}"] = path
    if config.rewards.key_file is not None:
        found[f"{_OPERATOR}/{config.rewards.key_file.name}"] = config.rewards.key_file
    return found


def _files(config: Config) -> Iterator[tuple[str, Path]]:
    """Names in the archive, and the files; databases first, the chain's journal last."""
    found: dict[str, Path] = {}
    for root, folder in _roots(config).items():
        for path in sorted(folder.rglob("*")):
            inner = path.relative_to(folder)
            if path.is_file() and not path.is_symlink() and inner.parts[0] != _SUMS and _is_kept(path):
                found.setdefault(f"{root}/{inner.as_posix()}", path)
    for name, path in _outside(config).items():
        if path.exists():
            found[name] = path
    order = {name: (not path.name.endswith(_DATABASES), path.name == _LAST, name) for name, path in found.items()}
    return iter(sorted(found.items(), key=lambda item: order[item[0]]))


def _marks(config: Config) -> Iterator[tuple[str, bytes]]:
    """Names in the archive, and contents, of marks that say which sums the homes have been in.

    No state of a sum, not even of one that is over: a restored home would prove shares of its days, and does not know
    which ones it has proven since.
    """
    folder = config.api.sums_dir
    for home in sorted(folder.iterdir()) if folder.is_dir() else ():
        for kind, day in sorted(SecureSumFolder(folder, home.name).entered()):
            yield f"state/{_SUMS}/{home.name}/past/{kind}-{day}", b""


def _is_kept(path: Path) -> bool:
    """Locks, and what SQLite keeps beside a database that is open, are no state."""
    return path.suffix not in (".lock", ".pid") and not path.name.endswith(("-wal", "-shm", "-journal"))


def _contents(found: Sequence[tuple[str, Path]]) -> Iterator[tuple[str, bytes]]:
    """By name in the archive. A training that goes on meanwhile drops its optimiser's state of earlier rounds."""
    for name, path in found:
        try:
            content = _content(path)
        except FileNotFoundError:
            if path.name != MOMENTS:
                raise
            continue
        yield name, content


def _content(path: Path) -> bytes:
    if not path.name.endswith(_DATABASES) or path.read_bytes()[: len(_SQLITE_MAGIC)] != _SQLITE_MAGIC:
        return path.read_bytes()
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as source, closing(sqlite3.connect(":memory:")) as copy:
        source.backup(copy)  # one moment of it, whoever writes meanwhile
        return copy.serialize()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> str:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o600
    archive.addfile(entry, io.BytesIO(content))
    return hashlib.sha256(content).hexdigest()


def _read(backup: Path) -> tuple[dict[str, bytes], Manifest]:
    """Everything in a backup but its list of contents, and that list; each file is the one that was kept."""
    try:
        with tarfile.open(backup, mode="r:gz") as archive:
            contents = {}
            for entry in archive:
                part = archive.extractfile(entry)
                if part is not None:
                    contents[entry.name] = part.read()
        manifest = Manifest(**loads(contents.pop(_MANIFEST)))
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
        if manifest.format != _FORMAT or manifest.sha256 != hashes or not isinstance(manifest.made, int):
            raise ValueError("other contents")
    except FileNotFoundError:
        raise BackupError(f"there is no {backup}") from None
    except _DAMAGED:
        raise BackupError(f"{backup} is no whole backup of `wattproof backup`: take another copy of it") from None
    return contents, manifest


def _place(config: Config, name: str) -> Path:
    """Where a file of the archive goes. Raises BackupError for a name that leads elsewhere."""
    outside = _outside(config)
    if name in outside:
        return outside[name]
    root, *inner = PurePosixPath(name).parts or ("",)
    if root in _SETTING_OF and inner:
        setting = _SETTING_OF[root]
        raise BackupError(f"the backup holds {'/'.join(inner)}, which {setting} does not name: add it there")
    if root not in _roots(config) or not inner or ".." in inner or "\0" in name:
        raise BackupError(f"the backup holds {name!r}, which is no file of ours")
    return _roots(config)[root].joinpath(*inner)


def _root(config: Config, name: str) -> Path:
    return _roots(config).get(PurePosixPath(name).parts[0], _place(config, name).parent)


def _write_all(contents: dict[Path, bytes]) -> None:
    """All of it, or nothing: where one cannot be written, those before it are taken away again. Raises OSError."""
    written: list[Path] = []
    try:
        for path, content in contents.items():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            written.append(path)
            write_bytes(path, content, private=True)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise


def _stay_out_of_sums(config: Config, made: int, now: float) -> None:
    """Mark every sum that a home of this machine may have been in since the backup, or still be asked about."""
    homes = config.api.homes_dir
    for home in sorted(homes.iterdir()) if homes.is_dir() else ():
        for kind in KINDS:
            days = range(int(made // _DAY_S) - _asked_days(kind), int(now // _DAY_S) + 2)
            SecureSumFolder(config.api.sums_dir, home.name).mark_past([kind], days)


def _asked_days(kind: Kind) -> int:
    """Longer than a sum is asked about after its day (`api.gateway.secure_sum.client`)."""
    return SHARED_DAYS + 2 if kind == "shared" else _ASKED_DAYS
