"""One process at a time has an embedded chain: with real processes, ended in every way."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from eth_account import Account

from rewards.chain import Chain
from rewards.errors import ChainBusy, JournalCorrupt
from rewards.journal import Journal
from tests.support.waiting import LIMIT_S

_HOLD = """
import sys
from pathlib import Path
from rewards.chain import Chain
chain = Chain.embedded(Path(sys.argv[1]))
chain.fund(sys.argv[2])
print("open", flush=True)
sys.stdin.read()
"""
SOMEBODY = Account.from_key(b"\x01" * 32).address


@contextmanager
def another_process_with(journal: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has the chain, with one transaction on it, until it is told to end."""
    command = [sys.executable, "-c", _HOLD, str(journal), SOMEBODY]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "open\n"
        yield process
        process.kill()


@pytest.mark.process
def test_a_second_process_is_told_who_has_the_chain_and_spoils_nothing(tmp_path: Path) -> None:
    journal = tmp_path / "state" / "chain.jsonl"
    with another_process_with(journal) as process:
        before = journal.read_bytes()
        with pytest.raises(ChainBusy, match=rf"in use by process {process.pid} \(.*stop it.*rewards\.rpc_url"):
            Chain.embedded(journal)
        assert journal.read_bytes() == before
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(LIMIT_S) == 0
        assert Chain.embedded(journal).web3.eth.get_balance(SOMEBODY) > 0


@pytest.mark.process
def test_a_killed_process_leaves_no_lock_behind(tmp_path: Path) -> None:
    journal = tmp_path / "chain.jsonl"
    with another_process_with(journal) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait(LIMIT_S)
        assert str(process.pid) in journal.with_suffix(".lock").read_text(), "its name is there, its lock is not"
        chain = Chain.embedded(journal)
        assert chain.web3.eth.get_balance(SOMEBODY) > 0
        with pytest.raises(ChainBusy, match=f"process {os.getpid()} "):
            Chain.embedded(journal)


def test_a_chain_that_was_let_go_writes_no_more(tmp_path: Path) -> None:
    chain = Chain.embedded(tmp_path / "chain.jsonl")
    chain.close()
    with pytest.raises(ValueError, match="was closed"):
        chain.advance_to(1_600_000_000)
    Chain.embedded(tmp_path / "chain.jsonl").close()


DAMAGED = [b"17", b"[]", b'"time"', b'{"time": null}', b'{"raw": "c0ff"}', b'{"raw": 1}', b"{", b"\xff"]


@pytest.mark.parametrize("line", DAMAGED)
def test_damage_is_named_with_its_line_and_never_a_reason_to_delete_the_journal(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "chain.jsonl"
    path.write_bytes(b'{"time": 1600000000}\n' + line + b'\n{"time": 1600000001}\n')
    before = path.read_bytes()
    with pytest.raises(JournalCorrupt, match=f"{path}, line 2, .*keep it, and restore a copy from") as refusal:
        Chain.embedded(path)
    assert "delete" not in str(refusal.value) and path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["chain.jsonl", "chain.lock"]
    Journal(path).close()


@pytest.mark.parametrize(
    "tail", [b"{", b'{"time": 1600000', b'{"time": 1600000009}', b"\0" * 5000, b'{"raw": "\0\0\0\0\n', b"\xff"]
)
@pytest.mark.parametrize("kept", [b"", b'{"time": 1600000000}\n', b'{"time": 1}\n{"time": 1600000000}\n'])
def test_a_torn_tail_is_dropped_told_and_kept_beside_the_journal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kept: bytes, tail: bytes
) -> None:
    path = tmp_path / "chain.jsonl"
    path.write_bytes(kept + tail)
    chain = Chain.embedded(path)
    assert path.read_bytes() == kept and chain.now == (1_600_000_000 if kept else 1_500_000_001)
    copy = tmp_path / f"chain.jsonl.torn-{len(kept)}"
    assert copy.read_bytes() == tail
    (told,) = [record.__dict__ for record in caplog.records if record.levelname == "WARNING"]
    assert (told["journal"], told["bytes"], told["copy"]) == (str(path), len(tail), str(copy))
    chain.fund(SOMEBODY)
    chain.close()
    again = Chain.embedded(path)
    assert again.web3.eth.get_balance(SOMEBODY) > 0, "the next entry stands on a line of its own"


@pytest.mark.parametrize("tail", [bytes(1 << 18), b'{"raw": "' + b"00" * 5000 + bytes(1 << 17)])
def test_a_tail_that_is_longer_than_any_entry_is_damage(tmp_path: Path, tail: bytes) -> None:
    """A third of a journal was dropped as what was never acknowledged: registrations and rewards of weeks."""
    path = tmp_path / "chain.jsonl"
    path.write_bytes(b'{"time": 1600000000}\n' + tail)
    for _ in range(2):
        with pytest.raises(JournalCorrupt, match=f"{path}, line 2, .*keep it, and restore a copy from"):
            Journal(path)
    assert path.read_bytes().endswith(tail) and [p.name for p in tmp_path.glob("*torn*")] == []


def test_whatever_is_cut_off_the_end_the_chain_starts_with_all_that_was_finished(tmp_path: Path) -> None:
    """As `truncate` would, at every length: a line is there whole, or it is dropped."""
    path = tmp_path / "chain.jsonl"
    whole = b"".join(b'{"time": %d}\n' % (1_600_000_000 + k) for k in range(3))
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        with Journal(path) as journal:
            assert len(list(journal)) == whole[:length].count(b"\n")


_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from eth_account import Account
from rewards.chain import Chain
from rewards.errors import JournalUnwritable

path, (first, second) = Path(sys.argv[1]), [Account.from_key(bytes([k]) * 32).address for k in (1, 2)]
chain = Chain.embedded(path)
chain.fund(first)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then the write is cut short, and the next one fails
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
whole = path.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (whole + 50, hard))
moment = chain.now
try:
    chain.fund(second)
except JournalUnwritable as error:
    print(error)
assert path.stat().st_size == whole + 50, "half a line is there"
assert (chain.web3.eth.get_balance(second), chain.now) == (0, moment), "it did not happen"
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
chain.fund(second)
chain.close()
again = Chain.embedded(path)
assert again.web3.eth.get_balance(first) and again.web3.eth.get_balance(second)
"""


@pytest.mark.process
def test_a_transaction_that_cannot_be_written_down_did_not_happen(tmp_path: Path) -> None:
    path = tmp_path / "chain.jsonl"
    done = subprocess.run([sys.executable, "-c", _FULL_DISK, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{path} cannot be written to (File too large)")
    assert "send it again" in done.stdout and path.read_bytes().endswith(b"}\n")


def test_an_entry_is_on_the_disk_before_it_is_acknowledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file, and the first time its name in its folder as well."""
    path, synced = tmp_path / "chain.jsonl", list[tuple[int, bytes]]()

    def fsync(handle: int) -> None:
        synced.append((os.fstat(handle).st_ino, path.read_bytes()))

    monkeypatch.setattr(os, "fsync", fsync)
    with Journal(path) as journal:
        journal.append({"time": 1})
        journal.append({"time": 2})
    file, folder, one, two = path.stat().st_ino, tmp_path.stat().st_ino, b'{"time": 1}\n', b'{"time": 2}\n'
    assert synced == [(file, one), (folder, one), (file, one + two)]
