"""A chain node of the tests' own: Foundry's anvil, from its npm package, with its state in a folder."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from bench.ports import free_port
from tests.support.needed import is_missing
from tests.support.waiting import until

_ETHER = 10**18


class Anvil:
    """A node whose first block is of `start` (UTC seconds). Each transaction makes a block."""

    def __init__(self, folder: Path, start: int) -> None:
        self._folder, self._program, self._begins = folder, _program(), start
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._port}"

    def start(self, chain_id: int = 31_337) -> None:
        """Start, or go on where it was stopped."""
        assert not self.is_running
        state, log = self._folder / "anvil.json", (self._folder / "anvil.log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [self._program, "--port", str(self._port), "--hardfork", "prague", "--state", state,
                 "--timestamp", str(self._begins), "--chain-id", str(chain_id)],
                cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        until(self._answers, (self._folder / "anvil.log").read_text)

    def stop(self) -> None:
        """Its state is on the disk then."""
        if self._process is not None:
            if self._process.poll() is None:
                self._begins = int(self.ask("eth_getBlockByNumber", "latest", False)["timestamp"], 16) + 1
            self._process.terminate()
            self._process.wait()
            self._process = None

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def forget(self) -> None:
        """Begin with an empty chain at the next start."""
        (self._folder / "anvil.json").unlink()

    def put_aside(self) -> Path:
        """`forget`, for a while: where its chain is kept for `bring_back`."""
        kept = self._folder / "kept.json"
        (self._folder / "anvil.json").rename(kept)
        return kept

    def bring_back(self, kept: Path) -> None:
        """Go on with that chain at the next start."""
        kept.replace(self._folder / "anvil.json")

    def fund(self, address: str) -> None:
        """Give an account enough for gas."""
        self.ask("anvil_setBalance", address, hex(100 * _ETHER))

    def be_at(self, moment: int) -> None:
        """Make a block of that time (UTC seconds)."""
        self.ask("evm_setNextBlockTimestamp", hex(moment))
        self.ask("evm_mine")

    def ask(self, method: str, *arguments: Any) -> Any:
        """A call over JSON-RPC."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(arguments)}
        answer = httpx.post(self.url, json=request, timeout=60).raise_for_status().json()
        assert "error" not in answer, answer
        return answer["result"]

    def _answers(self) -> bool:
        assert self._process is not None and self._process.poll() is None, "anvil has ended"
        try:
            return bool(self.ask("eth_chainId"))
        except httpx.TransportError:
            return False


def _program() -> Path:
    """The binary itself: npm puts a program of Node.js before it, which ends before what it has started."""
    found = shutil.which("anvil")
    if found is None:
        is_missing("there is no anvil", "npm install --global @foundry-rs/anvil")
    path = Path(found).resolve()
    if path.suffix == ".mjs":
        binaries = sorted(path.parent.rglob("anvil-*/bin/anvil")) + sorted(
            path.parent.parent.glob("anvil-*/bin/anvil")
        )
        return binaries[0]
    return path


@contextmanager
def anvil(folder: Path, start: int) -> Iterator[Anvil]:
    """A running node while the block runs."""
    node = Anvil(folder, start)
    node.start()
    try:
        yield node
    finally:
        node.stop()
