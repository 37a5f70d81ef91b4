"""Long lists in pages: at most `limit` items after the one named, and a `Link` to the next page (RFC 8288)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar
from urllib.parse import urlencode

from fastapi import Query, Request, Response

from data.day import LAST_DAY

_T = TypeVar("_T")
MOST = 1000
LimitQuery = Annotated[int, Query(ge=1, le=MOST, description="so many at most")]
AfterDay = Annotated[int, Query(ge=-1, le=LAST_DAY, description="only days after this one")]
AfterRound = Annotated[int, Query(ge=0, lt=1 << 32, description="only rounds after this one")]
AfterAddress = Annotated[
    str, Query(pattern="^(0x[0-9a-fA-F]{40})?$", description="only households after this address")
]


def page(
    found: Sequence[_T], limit: int, key: Callable[[_T], object], request: Request, response: Response
) -> list[_T]:
    """The first `limit` of what was found, of which one more was asked for; a link where there is a next page."""
    if len(found) > limit:
        query = urlencode({"after": key(found[limit - 1]), "limit": limit})
        response.headers["link"] = f'<{request.url.path}?{query}>; rel="next"'
    return list(found[:limit])
