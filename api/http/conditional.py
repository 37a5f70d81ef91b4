"""Answers with a validator: whoever has one already is told so (304), in RFC 9110's sections 8.8.3 and 13.1.2."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fastapi import Request, Response

FIXED = "public, max-age=86400, immutable"
"""For what never changes: a proof, a published model, an opened sum."""
SETTLED = "public, max-age=300"
"""For a day that is over: a total that is opened late may still change what is calibrated by it."""
CURRENT = "public, no-cache"
"""For what may change any time: it may be kept, and is asked about before each use."""

NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "it is the one that If-None-Match names"}}


@dataclass(frozen=True)
class Answer:
    """A body, what it is, and for how long it may be kept (Cache-Control). `name`: of the file it is saved as."""

    body: bytes
    media_type: str = "application/json"
    cache_control: str = CURRENT
    name: str | None = None

    @cached_property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.body).hexdigest()[:32]}"'

    @cached_property
    def _headers(self) -> dict[str, str]:
        named = {} if self.name is None else {"content-disposition": f'attachment; filename="{self.name}"'}
        return {"etag": self.etag, "cache-control": self.cache_control, **named}

    def to(self, request: Request) -> Response:
        """The whole of it, or 304 for whoever has it."""
        if _names(request.headers.get("if-none-match"), self.etag):
            return Response(status_code=304, headers=self._headers)
        return Response(self.body, headers=self._headers, media_type=self.media_type)


def _names(told: str | None, etag: str) -> bool:
    """Whether an If-None-Match header names the validator; compared weakly, as caches may have weakened it."""
    if told is None:
        return False
    return told.strip() == "*" or etag in (one.strip().removeprefix("W/") for one in told.split(","))
