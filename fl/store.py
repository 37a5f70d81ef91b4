"""The saved rounds: `rounds/NNNN/` holds the global model as the round ended and what happened in it.

    rounds/run.json            the settings and the seed the rounds were made with
    rounds/0007/weights.npz    the global model after round 7 (state dict names -> float32)
    rounds/0007/metrics.json   `RoundReport`
    rounds/0007/moments.npz    the server optimiser's state (FedAdam, gradients), of the last three rounds
    rounds/0007/published      there once the caller's `on_round` has returned
    rounds/0007/NAME.npz       further arrays of a round (`fl.one_shot.gather`)

A round is written to a temporary folder and renamed, so it exists completely or not at all. One that cannot be read
all the same (after a full disk, or a manual change) is skipped for the one before. Round 0 is the start.
"""

from __future__ import annotations

import errno
import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from data import atomic
from data.damage import whole
from data.json_text import loads
from fl import weights as arrays
from fl.errors import FederationError, ResumeRefused, RoundDamaged
from fl.file_lock import InUse, locked
from fl.settings import FederationSettings
from fl.weights import Weights

_log = logging.getLogger(__name__)
MOMENTS = "moments.npz"
_MOMENTS_KEPT = 3
"""Of so many rounds: the last one may turn out unreadable. They are larger than the model."""
_WHOLE = (
    "rounds",
    "export",
    "export_rounds",
    "retraining",
    "vertical",
    "simulation",
    "deployment",
    "round_timeout_s",
    "attempts",
    "wait_for_homes_s",
)
_MAY_CHANGE: dict[str, Any] = dict.fromkeys(_WHOLE, True) | {
    "strategy": {"local_rounds"},  # when, as `rounds` is
    "secure_aggregation": {"roster"},
    "gossip": {"peers", "bind", "port", "registry", "patience_s", "round"},
}  # an agent's own


@dataclass(frozen=True)
class RoundReport:
    """What happened in one round. Losses are means over the homes, weighted as the models are."""

    round: int
    asked: tuple[str, ...]
    participants: tuple[str, ...]
    left_out: dict[str, str]  # home -> why its update is not in
    train_loss: float
    validation_loss: float | None  # None: homes were not asked to score this round
    homes: dict[str, dict[str, float]]  # home -> its metrics, `train_*` and `validation_*`
    bytes_down: int  # payload of the weights sent to homes, and back
    bytes_up: int
    seconds: float
    capped: dict[str, int] = field(default_factory=dict)  # home -> days it says it has, beyond `most_days`
    extra: dict[str, float] = field(default_factory=dict)  # epsilon and the like

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    @staticmethod
    def from_json(text: bytes) -> RoundReport:
        values = loads(text)
        return RoundReport(**values | {name: tuple(values[name]) for name in ("asked", "participants")})


@dataclass(frozen=True)
class SavedRound:
    """A round read back. `published`: the caller's `on_round` is known to have returned for it."""

    round: int
    weights: Weights
    report: RoundReport
    moments: dict[str, NDArray[np.float64]]
    published: bool


class RoundStore:
    """The folder of the saved rounds of one training run."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def path(self, round: int) -> Path:
        return self.directory / f"{round:04d}"

    def rounds(self) -> list[int]:
        """Numbers of the saved rounds, ascending."""
        if not self.directory.is_dir():
            return []
        return sorted(int(path.name) for path in self.directory.iterdir() if path.name.isdigit())

    def save(
        self,
        report: RoundReport,
        weights: Weights,
        moments: dict[str, NDArray[np.float64]],
        keep: Mapping[str, Mapping[str, NDArray[Any]]] | None = None,
    ) -> Path:
        """Write one round, whole or not at all; its folder. An existing round of the number is replaced.

        `keep`: further arrays, by the name of their file without `.npz`.
        """
        final = self.path(report.round)
        draft = self.directory / f".{final.name}.draft"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        arrays.save(draft / "weights.npz", weights)
        if moments:
            arrays.save(draft / MOMENTS, moments)
        for name, values in (keep or {}).items():
            arrays.save(draft / f"{name}.npz", values)
        atomic.write_bytes(draft / "metrics.json", report.to_json().encode())
        shutil.rmtree(final, ignore_errors=True)
        draft.rename(final)
        (self.path(report.round - _MOMENTS_KEPT) / MOMENTS).unlink(missing_ok=True)
        return final

    def load(self, round: int) -> SavedRound:
        """Read a saved round. Raises FileNotFoundError if there is none, RoundDamaged for one that can't be read."""
        path = self.path(round)
        if not path.is_dir():
            raise FileNotFoundError(errno.ENOENT, "no such round is saved", str(path))
        moments = path / MOMENTS
        try:
            return SavedRound(
                round=round,
                weights=arrays.load(path / "weights.npz"),
                report=_report(path / "metrics.json"),
                moments=arrays.load(moments) if moments.exists() else {},
                published=(path / "published").exists(),
            )
        except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError) as problem:
            raise RoundDamaged(f"round {round} in {path} can't be read: {problem}") from problem

    def latest(self) -> SavedRound | None:
        """The last saved round that can be read, or None. Unreadable ones after it are logged."""
        for number in reversed(self.rounds()):
            try:
                return self.load(number)
            except RoundDamaged as damaged:
                _log.warning("round passed over", extra={"round": number, "reason": str(damaged)})
        return None

    def report(self, round: int) -> RoundReport:
        """What happened in a saved round, without its weights."""
        return _report(self.path(round) / "metrics.json")

    def newest(self, name: str) -> dict[str, NDArray[Any]] | None:
        """What the last round that has it keeps as `name` (see `save`), or None."""
        for number in reversed(self.rounds()):
            path = self.path(number) / f"{name}.npz"
            if path.exists():
                return arrays.load(path)
        return None

    def set_aside_after(self, round: int) -> None:
        """Rename the rounds after `round`, so that damaged ones are kept but out of the way (`0007.damaged`)."""
        for number in self.rounds():
            if number > round:
                path, copies = self.path(number), len(list(self.directory.glob(f"{number:04d}.damaged*")))
                aside = path.with_name(f"{path.name}.damaged{copies or ''}")
                path.rename(aside)
                _log.warning("damaged round set aside", extra={"round": number, "path": str(aside)})

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder for this process while the block trains. Raises FederationError if another process has
        it."""
        try:
            with locked(self.directory / ".lock", wait=False):
                yield
        except InUse as other:
            raise FederationError(
                f"{self.directory} is in use by {other}: two trainings at once would overwrite each other's rounds. "
                "Wait for it, stop it, or give this one another folder"
            ) from None

    def publish(self, round: int, on_round: Callable[[int, Weights, RoundReport], None]) -> None:
        """Have `on_round` called with a saved round, unless it is known to have returned.

        So a process that was killed in between does it when it is started again.
        """
        saved = self.load(round)
        if not saved.published:
            on_round(round, saved.weights, saved.report)
            self.mark_published(round)

    def mark_published(self, round: int) -> None:
        (self.path(round) / "published").touch()

    def bind(self, settings: FederationSettings) -> None:
        """Tie the folder to the settings its rounds are made with; ResumeRefused if it holds other rounds."""
        mine = settings.model_dump(mode="json", exclude=_MAY_CHANGE)
        path = self.directory / "run.json"
        if self.rounds() and path.exists():
            _same(_completed(path), mine, self.directory)
        else:
            atomic.write_bytes(path, json.dumps(mine, indent=1).encode())


def _report(path: Path) -> RoundReport:
    with whole(path, "the report of a round"):
        return RoundReport.from_json(path.read_bytes())


def _completed(path: Path) -> dict[str, Any]:
    """The settings in run.json, with today's defaults for those that did not exist then."""
    try:
        saved: dict[str, Any] = loads(path.read_bytes())
    except ValueError as problem:
        raise ResumeRefused(
            f"{path} can't be read ({problem}), so it is unknown what the rounds beside it were made with: restore "
            "it, or train in another folder"
        ) from problem
    try:
        whole = FederationSettings.model_validate(saved)
    except ValidationError:
        return saved  # of settings that are no longer there, or no longer allowed: they are named as changed
    return whole.model_dump(mode="json", exclude=_MAY_CHANGE)


def _same(saved: dict[str, Any], mine: dict[str, Any], directory: Path) -> None:
    changed = sorted(name for name in saved.keys() | mine.keys() if saved.get(name) != mine.get(name))
    if changed:
        spent = "" if mine["privacy"]["mode"] == "off" else "; the privacy that these rounds spent stays spent"
        raise ResumeRefused(
            f"{directory} holds rounds made with other settings ({', '.join(changed)}): "
            f"restore the settings, or train in another folder{spent}"
        )
