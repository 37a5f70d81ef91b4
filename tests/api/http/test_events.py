"""How things stand, as it changes: to everybody who listens, and to no more than so many."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from api.http import events
from api.http.errors import ApiError
from api.http.events import Events
from api.one_machine.day import register
from api.operator.progress import progress
from tests.api.conftest import DAY, Village


async def parts(line: AsyncIterator[bytes], count: int) -> list[bytes]:
    return [await anext(line) for _ in range(count)]


def test_a_listener_is_told_what_there_is_and_then_what_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_EVERY_S", 0.001)
    state = ["one"]

    async def listen() -> list[bytes]:
        line = Events(lambda: state[0]).line()
        first = await parts(line, 2)
        state[0] = "two"
        return first + await parts(line, 1)

    told = asyncio.run(listen())
    assert told == [b"retry: 2000\n\n", b"event: progress\ndata: one\n\n", b"event: progress\ndata: two\n\n"]


def test_lines_end_with_the_server_and_nobody_begins_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_EVERY_S", 0.001)

    async def listen() -> None:
        source = Events(lambda: "one")
        line = source.line()
        await parts(line, 2)
        source.end()
        assert [part async for part in line] == []
        with pytest.raises(ApiError):
            source.line()

    asyncio.run(listen())


def test_no_more_than_so_many_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_MOST", 2)

    async def listen() -> None:
        source = Events(lambda: "one")
        lines = [source.line(), source.line()]
        for line in lines:
            await anext(line)
        with pytest.raises(ApiError) as refused:
            source.line()
        assert (refused.value.code, refused.value.status) == ("busy", 429)
        await lines[0].aclose()  # type: ignore[attr-defined]
        source.line()

    asyncio.run(listen())


def test_one_address_does_not_keep_all_others_from_listening(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_MOST_OF_ONE", 2)

    async def listen() -> None:
        source = Events(lambda: "one")
        asked = [source.line("203.0.113.7") for _ in range(3)]  # all before the first begins
        lines = [one for one in asked if await anext(one, None) is not None]
        assert len(lines) == 2
        with pytest.raises(ApiError) as refused:
            source.line("203.0.113.7")
        assert refused.value.code == "busy"
        for other in ("203.0.113.8", None, None, None):
            await anext(source.line(other))
        for line in lines:
            await line.aclose()  # type: ignore[attr-defined]
        source.line("203.0.113.7")

    asyncio.run(listen())


def test_what_there_is_to_tell(village: Village) -> None:
    assert progress(village.community) is None
    register(village.community, village.chain_session, village.homes[0], village.bundle(village.homes[0]))
    found = progress(village.community)
    assert found is not None
    told = json.loads(found.model_dump_json())
    assert (told["day"], told["registered"], told["enrolled"], told["round"]) == (DAY, 1, 3, 1)
    assert told["sums"] == {} and told["total"] is None and told["measured"] is None
