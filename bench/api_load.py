"""Load on an HTTP server from one event loop: lines that are kept open, requests written and answers read as bytes.

A client library would take longer for a request than the server does.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field


def request(path: str, body: bytes | None = None) -> bytes:
    """A request as it goes over the line."""
    if body is None:
        return f"GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n".encode()
    head = f"POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


@dataclass
class Answers:
    """Statuses of the answers (0: none came), and the seconds that those in [200, 300) took."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    def percentile_ms(self, share: float) -> float:
        """So large a share of the answers took at most so long."""
        ordered = sorted(self.seconds)
        return round(1000 * ordered[min(math.ceil(share * len(ordered)), len(ordered)) - 1], 1) if ordered else 0.0

    @property
    def faults(self) -> int:
        """Answers that are neither success nor 429, and those that did not come."""
        return sum(count for status, count in self.statuses.items() if not (200 <= status < 300 or status == 429))


_KEEP_S = 4.0  # servers close connections that nobody uses, uvicorn after five seconds


class Line:
    """One connection, opened again after a fault or a pause."""

    def __init__(self, port: int) -> None:
        self._port, self._used_at = port, time.perf_counter()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, content: bytes, answers: Answers) -> None:
        """Send a request, wait for the answer and note it."""
        started = time.perf_counter()
        status = 0
        with suppress(OSError, EOFError, ValueError):
            status = await self._answered(content)
        answers.statuses[status] += 1
        if 200 <= status < 300:
            answers.seconds.append(time.perf_counter() - started)
        if status == 0:
            self.close()

    async def _answered(self, content: bytes) -> int:
        if time.perf_counter() - self._used_at > _KEEP_S:
            self.close()
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(content)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        _, _, after = head.partition(b"content-length: ")
        await reader.readexactly(int(after[: after.index(b"\r\n")]))
        self._used_at = time.perf_counter()
        return int(head[9:12])

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def repeated(port: int, path: str, lines: int, seconds: float, pause_s: float = 0.0) -> Answers:
    """Ask for `path` over and over on so many lines; `pause_s` between an answer and the next request of a line."""
    answers, until, content = Answers(), time.perf_counter() + seconds, request(path)

    async def ask() -> None:
        line = Line(port)
        while time.perf_counter() < until:
            await line.ask(content, answers)
            if pause_s:
                await asyncio.sleep(pause_s)
        line.close()

    await asyncio.gather(*[ask() for _ in range(lines)])
    return answers


async def at_once(port: int, contents: Sequence[bytes]) -> tuple[Answers, float]:
    """Send all of them at once, each on its own line; the answers, and the seconds until the last."""
    answers, lines = Answers(), [Line(port) for _ in contents]
    started = time.perf_counter()
    await asyncio.gather(*[line.ask(content, answers) for line, content in zip(lines, contents, strict=True)])
    took = time.perf_counter() - started
    for line in lines:
        line.close()
    return answers, took


async def steadily(port: int, contents: Sequence[bytes], per_s: float, seconds: float) -> Answers:
    """Send them in turn, so many a second whether or not the ones before are answered (an open loop)."""
    answers, idle, at_work = Answers(), list[Line](), set[asyncio.Task[None]]()
    started = time.perf_counter()

    async def send(content: bytes) -> None:
        line = idle.pop() if idle else Line(port)
        await line.ask(content, answers)
        idle.append(line)

    for number in range(int(per_s * seconds)):
        await asyncio.sleep(max(0.0, started + number / per_s - time.perf_counter()))
        task = asyncio.create_task(send(contents[number % len(contents)]))
        at_work.add(task)
        task.add_done_callback(at_work.discard)
    await asyncio.gather(*at_work)
    for line in idle:
        line.close()
    return answers
