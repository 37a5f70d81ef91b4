"""A home's personal head for a round: kept in its folder, committed to, and read back for proving.

    homes/HOME/heads/0020.npz      its values, as fitted
    homes/HOME/heads/0020.key      a blinding for each row of the commitment
    homes/HOME/heads/0020.json     the commitment and its digest (`api.gateway.head_commitment`)

Values and blindings are the home's alone and never leave it.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from api.gateway.head_commitment import HeadCommitment, heads_folder, read_head_commitment, write_head_commitment
from api.gateway.not_forecast import HeadLost
from data.atomic import write_bytes
from data.json_text import loads
from forecasting.integer import DAMAGES
from zkp.lstm.integer_model import Ints
from zkp.lstm.weights import HeadOpening, Rows, WeightsCommitment


@dataclass(frozen=True, repr=False)
class CommittedHead:
    """A committed head with its opening."""

    secret: HeadOpening
    rows: Rows


def keep_values(home_folder: Path, number: int, values: Ints) -> None:
    """Keep a fitted head, int64 [48, loads and hidden state]. A head that is committed to stays as it is."""
    if read_head_commitment(home_folder, number) is not None:
        return
    buffer = io.BytesIO()
    np.savez(buffer, values=values)
    write_bytes(_path(home_folder, number, ".npz"), buffer.getvalue(), private=True)


def commit_head(home_folder: Path, number: int, model: WeightsCommitment) -> HeadCommitment | None:
    """Commit to the round's head, beside the round's model, if it is fitted and not committed to; its note."""
    note, path = read_head_commitment(home_folder, number), _path(home_folder, number, ".npz")
    if note is not None or not path.exists():
        return note
    head = HeadOpening.blind(model.shape, _values(path))
    write_bytes(
        _path(home_folder, number, ".key"), json.dumps([hex(b) for b in head.blindings]).encode(), private=True
    )
    rows = head.commit(model.shape)
    note = HeadCommitment(number, tuple("0x" + r.hex() for r in rows), "0x" + model.digest_of_head(rows).hex())
    write_head_commitment(home_folder, note)
    return note


def read_head(home_folder: Path, note: HeadCommitment) -> CommittedHead:
    """The head of a note. Raises HeadLost."""
    try:
        values = _values(_path(home_folder, note.round, ".npz"))
        key = loads(_path(home_folder, note.round, ".key").read_bytes())
        blindings = tuple(int(b, 16) for b in key)
    except DAMAGES:  # the message reveals nothing about what was found there
        raise HeadLost(
            f"the personal head of round {note.round} in {heads_folder(home_folder)} is gone or damaged, and the "
            "registry wants this day's forecast to be made with it: restore the folder from a backup, or wait for "
            "the next round"
        ) from None
    return CommittedHead(HeadOpening(values, blindings), tuple(bytes.fromhex(row[2:]) for row in note.rows))


def _values(path: Path) -> Ints:
    with np.load(path, allow_pickle=False) as content:
        values: Ints = content["values"].astype(np.int64)
    return values


def _path(home_folder: Path, number: int, suffix: str) -> Path:
    return heads_folder(home_folder) / f"{number:04d}{suffix}"
