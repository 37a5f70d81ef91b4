"""The published models of a quantity, as its routes list and give them."""

from __future__ import annotations

from fastapi import Request, Response
from sqlalchemy import select

from api.http.conditional import FIXED, Answer
from api.http.errors import ApiError
from api.http.paging import page
from api.operator.community import Community
from api.operator.database.tables import ExportRound, ModelRound
from api.operator.trained_model import rounds_of
from api.protocol.schemas import RoundPublic
from data.quantity import Quantity


class NumpyArchive(Response):
    """A file of NumPy's (.npz)."""

    media_type = "application/octet-stream"


def listed(
    community: Community, quantity: Quantity, after: int, limit: int, request: Request, response: Response
) -> list[RoundPublic]:
    """Published rounds after one, by number."""
    table = _table(quantity)
    chosen = select(table.number, table.digest).where(table.number > after).order_by(table.number).limit(limit + 1)
    with community.sessions() as session:
        rounds = [RoundPublic(number=number, digest=digest) for number, digest in session.execute(chosen)]
    return page(rounds, limit, lambda one: one.number, request, response)


def file_of(community: Community, quantity: Quantity, number: int, name: str) -> Answer:
    """A file of a published round. Raises ApiError."""
    with community.sessions() as session:
        published = session.get(_table(quantity), number) is not None
    path = rounds_of(community, quantity).path(number) / name
    if not published or not path.is_file():
        of = "" if quantity == "load" else f"of {quantity} "
        raise ApiError("no-model", f"no model {of}of round {number} is published here", 404)
    return Answer(path.read_bytes(), NumpyArchive.media_type, FIXED)


def _table(quantity: Quantity) -> type[ModelRound | ExportRound]:
    return ModelRound if quantity == "load" else ExportRound
