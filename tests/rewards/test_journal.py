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
        assert process.wait(60) == 0
        assert Chain.embedded(journal).web3.eth.get_balance(SOMEBODY) > 0


@pytest.mark.process
def test_a_killed_process_leaves_no_lock_behind(tmp_path: Path) -> None:
    journal = tmp_path / "chain.jsonl"
    with another_process_with(journal) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait(60)
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


@pytest.mark.parametrize("line", ["17", "[]", '"time"', '{"time": null}', '{"raw": "c0ff"}', '{"raw": 1}', "{"])
def test_a_line_that_is_no_entry_is_named_and_the_journal_let_go(tmp_path: Path, line: str) -> None:
    path = tmp_path / "chain.jsonl"
    path.write_text('{"time": 1600000000}\n' + line, encoding="utf-8")
    with pytest.raises(JournalCorrupt, match=f"{path}, line 2"):
        Chain.embedded(path)
    Journal(path).close()
