"""`wattproof backup` and `restore`: all comes back as it was; a damaged or strange file changes nothing."""

from __future__ import annotations

import errno
import io
import os
import sqlite3
import tarfile
from pathlib import Path

import pytest
import yaml

from api.cli import backup
from api.cli.backup import BackupError, restore_backup, write_backup
from api.config.community_yaml import Config, load
from api.gateway.secure_sum.state import SecureSumFolder, SecureSumState
from data import atomic
from tests.api.files_fixture import write_inputs
from tests.support.small_disk import small_disk

MADE = 20_000 * 86_400.0


@pytest.fixture
def gateway(tmp_path: Path) -> Config:
    """A gateway's files, with a database that somebody has open and has not checkpointed."""
    folder = tmp_path / "old"
    write_inputs(folder, ("elm-3",), 20)
    settings = folder / "community.yaml"
    settings.write_text(settings.read_text().replace("weather:", "quarters: [elm-3-quarters.csv], weather:"))
    (folder / "elm-3-quarters.csv").write_text("quarters of an hour")
    config = load(folder / "community.yaml")
    for name in ("homes/elm-3/wallet.key", "homes/elm-3/meter.key", "rounds/0001/digest", "chain.jsonl"):
        path = config.api.state_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {name}")
    (config.api.state_dir / "sums" / "elm-3").mkdir(parents=True)
    (config.api.state_dir / "sums" / "elm-3" / "forecast-19999.json").write_text("one-time secrets")
    return config


def elsewhere(config: Config, folder: Path) -> Config:
    """The same community's settings on another machine."""
    folder.mkdir()
    settings = yaml.safe_load((config.api.state_dir.parent / "community.yaml").read_text())
    (folder / "community.yaml").write_text(yaml.safe_dump(settings))
    return load(folder / "community.yaml")


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_everything_comes_back_but_the_secrets_of_sums(gateway: Config, tmp_path: Path) -> None:
    with sqlite3.connect(gateway.api.database_file) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE forecast (day INTEGER)")
        database.execute("INSERT INTO forecast VALUES (17316)")
        database.commit()
        write_backup(gateway, tmp_path / "backup.tar.gz", MADE)
    assert (tmp_path / "backup.tar.gz").stat().st_mode & 0o077 == 0
    new = elsewhere(gateway, tmp_path / "new")
    restore_backup(new, tmp_path / "backup.tar.gz", MADE)
    before, after = contents(gateway.api.state_dir), contents(new.api.state_dir)
    plain = {name for name in before if not name.startswith(("sums/", "wattproof.sqlite"))}
    assert plain and all(after[name] == before[name] for name in plain)
    assert [path.read_bytes() for path in new.data.files] == [path.read_bytes() for path in gateway.data.files]
    assert [path.read_text() for path in new.data.quarters] == ["quarters of an hour"]
    with sqlite3.connect(new.api.database_file) as database:
        assert database.execute("SELECT day FROM forecast").fetchall() == [(17316,)]
    assert "sums/elm-3/forecast-19999.json" not in after
    assert (new.api.homes_dir / "elm-3" / "wallet.key").stat().st_mode & 0o077 == 0


def test_a_restored_home_stays_out_of_every_sum_it_may_be_in(gateway: Config, tmp_path: Path) -> None:
    write_backup(gateway, tmp_path / "backup.tar.gz", MADE)
    new = elsewhere(gateway, tmp_path / "new")
    restore_backup(new, tmp_path / "backup.tar.gz", MADE + 5 * 86_400)
    sums = SecureSumFolder(new.api.sums_dir, "elm-3")
    for day in (19_992, 19_999, 20_003, 20_006):
        part = sums.get("forecast", day)
        assert part is not None and part.bound, day
    assert sums.get("measured", 20_007) is None


def test_a_restored_home_enters_no_second_sum_of_shared_energy(gateway: Config, tmp_path: Path) -> None:
    """Days are entered up to 35 days late, not eight: a server could have asked for their readings again, without one
    of the homes."""
    sums, homes = SecureSumFolder(gateway.api.sums_dir, "elm-3"), ["elm-3", "elm-4", "elm-5"]
    sums.put("shared", 19_900, SecureSumState("ab", homes, "reveal", survivors=homes, ended="open"))
    sums.put("shared", 19_950, SecureSumState("cd", homes, "share", {"home": "elm-3"}, "one-time secrets"))
    sums.mark_past(["shared"], [19_800])
    write_backup(gateway, tmp_path / "backup.tar.gz", MADE)
    new = elsewhere(gateway, tmp_path / "new")
    restore_backup(new, tmp_path / "backup.tar.gz", MADE + 5 * 86_400)
    restored = SecureSumFolder(new.api.sums_dir, "elm-3")
    for day in (19_800, 19_900, 19_950, *range(19_965, 20_007)):
        part = restored.get("shared", day)
        assert part is not None and part.bound and part.lost, f"{day}: it has no record of shares proven since"
    assert not any(contents(new.api.sums_dir).values()), "no secret of a sum"


def test_nothing_that_is_there_is_written_over(gateway: Config, tmp_path: Path) -> None:
    write_backup(gateway, tmp_path / "backup.tar.gz")
    before = contents(gateway.api.state_dir)
    with pytest.raises(BackupError, match="is there already"):
        restore_backup(gateway, tmp_path / "backup.tar.gz")
    with pytest.raises(BackupError, match="is there already"):
        write_backup(gateway, tmp_path / "backup.tar.gz")
    assert contents(gateway.api.state_dir) == before


@pytest.mark.parametrize("left", [0, 0.1, 0.7])
def test_a_damaged_backup_is_refused_whole(gateway: Config, tmp_path: Path, left: float) -> None:
    backup = tmp_path / "backup.tar.gz"
    write_backup(gateway, backup)
    backup.write_bytes(backup.read_bytes()[: int(left * backup.stat().st_size)])
    new = elsewhere(gateway, tmp_path / "new")
    with pytest.raises(BackupError, match="no whole backup"):
        restore_backup(new, backup)
    assert not new.api.state_dir.exists()


def test_an_archive_that_leads_elsewhere_is_refused(gateway: Config, tmp_path: Path) -> None:
    backup, strange = tmp_path / "backup.tar.gz", tmp_path / "strange.tar.gz"
    write_backup(gateway, backup)
    with tarfile.open(backup) as source, tarfile.open(strange, "w:gz") as target:
        for entry in source:
            content = source.extractfile(entry)
            assert content is not None
            data = content.read()
            if entry.name == "manifest.json":
                data = data.replace(b"state/chain.jsonl", b"state/../../evil")
                entry.size = len(data)
            entry.name = entry.name.replace("state/chain.jsonl", "state/../../evil")
            target.addfile(entry, io.BytesIO(data))
    with pytest.raises(BackupError, match="no file of ours"):
        restore_backup(elsewhere(gateway, tmp_path / "new"), strange)
    assert not (tmp_path / "evil").exists()


def test_another_communitys_backup_is_refused(gateway: Config, tmp_path: Path) -> None:
    write_backup(gateway, tmp_path / "backup.tar.gz")
    new = elsewhere(gateway, tmp_path / "new")
    other = new.model_copy(update={"community": new.community.model_copy(update={"name": "Oak Road"})})
    with pytest.raises(BackupError, match="of the community"):
        restore_backup(other, tmp_path / "backup.tar.gz")


def test_tables_of_one_name_and_the_operators_key_come_back_each_to_its_place(tmp_path: Path) -> None:
    settings = {
        "community": {"name": "Elm Street"},
        "data": {"source": "files", "files": ["elm-3/home.csv", "elm-5/home.csv"]},
        "rewards": {"rpc_url": "http://127.0.0.1:8545", "key_file": "secrets/operator.key"},
    }
    files = {"elm-3/home.csv": "of elm-3", "elm-5/home.csv": "of elm-5", "secrets/operator.key": "ab" * 32}
    configs = {}
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "community.yaml").write_text(yaml.safe_dump(settings))
        configs[name] = load(tmp_path / name / "community.yaml")
    for name, content in files.items():
        (tmp_path / "old" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "old" / name).write_text(content)
    write_backup(configs["old"], tmp_path / "backup.tar.gz")
    restore_backup(configs["new"], tmp_path / "backup.tar.gz")
    assert {name: (tmp_path / "new" / name).read_text() for name in files} == files


def test_a_disk_that_fills_up_leaves_nothing_half_restored(
    gateway: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = tmp_path / "backup.tar.gz"
    write_backup(gateway, backup)
    new = elsewhere(gateway, tmp_path / "new")
    before = contents(tmp_path / "new")
    room = iter(range(3))

    def write_until_full(path: Path, content: bytes, *, private: bool = False) -> None:
        if next(room, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        atomic.write_bytes(path, content, private=private)

    monkeypatch.setattr("api.cli.backup.write_bytes", write_until_full)
    with pytest.raises(OSError, match="No space left"):
        restore_backup(new, backup)
    assert contents(tmp_path / "new") == before
    monkeypatch.undo()
    restore_backup(new, backup)


@pytest.mark.process
def test_a_disk_without_room_for_the_backup_is_told_with_its_file_and_left_as_it_was(
    gateway: Config, tmp_path: Path
) -> None:
    """The error named a draft whose name nobody knows, or no file."""
    (gateway.api.state_dir / "noise").write_bytes(os.urandom(1 << 20))
    with small_disk(tmp_path / "disk", 256) as disk:
        with pytest.raises(OSError, match="No space left") as failed:
            write_backup(gateway, disk / "backup.tar.gz")
        assert Path(failed.value.filename) == disk / "backup.tar.gz" and list(disk.iterdir()) == []


def test_a_backup_that_may_not_be_read_is_not_said_to_be_damaged(
    gateway: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(name: Path, mode: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(name))

    monkeypatch.setattr("api.cli.backup.tarfile.open", refused)
    with pytest.raises(PermissionError, match=r"of\.another"):
        restore_backup(gateway, tmp_path / "of.another")


@pytest.mark.parametrize("name", ["moments.npz", "weights.npz"])
def test_only_what_a_training_drops_may_go_meanwhile(
    gateway: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The optimiser's state of a round before the last three; anything else that is gone is a backup without it."""
    going = gateway.api.state_dir / "rounds" / "0001" / name
    going.write_text("there when files are listed")
    content = backup._content

    def read(path: Path) -> bytes:
        going.unlink(missing_ok=True)
        return content(path)

    monkeypatch.setattr(backup, "_content", read)
    out = tmp_path / "backup.tar.gz"
    if name == "weights.npz":
        with pytest.raises(FileNotFoundError):
            write_backup(gateway, out, MADE)
        assert not out.exists()
        return
    write_backup(gateway, out, MADE)
    new = elsewhere(gateway, tmp_path / "new")
    restore_backup(new, out, MADE)
    assert contents(new.api.state_dir / "rounds") == contents(gateway.api.state_dir / "rounds")
