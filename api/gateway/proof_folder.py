"""A home's proofs on disk, and what each of them cost."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from api.gateway.proving import Made
from api.protocol.bundle import InferenceBundle, encode
from data.atomic import write_bytes
from data.damage import whole
from data.json_text import read_as


@dataclass(frozen=True)
class ProofFigures:
    """What a proof cost."""

    prove_s: float
    verify_s: float
    bytes: int
    peak_mb: float


@dataclass(frozen=True)
class ProofFolder:
    """Proofs on disk: `proofs/DAY/HOME.json`, the bundle, and `proofs/DAY/figures/HOME.json`, what it cost."""

    directory: Path

    def path(self, day: int, home: str) -> Path:
        return self.directory / str(day) / f"{home}.json"

    def read(self, day: int, home: str) -> InferenceBundle | None:
        """An earlier proof, or None. Raises DamagedFile."""
        path = self.path(day, home)
        if not path.exists():
            return None
        with whole(path, "a proof bundle", "Move it away: the proof is then made again, of the same forecast"):
            return InferenceBundle.model_validate_json(path.read_bytes())

    def figures(self, day: int, home: str) -> ProofFigures | None:
        """What an earlier proof cost, or None if unknown. Raises DamagedFile."""
        path = self._figures_path(day, home)
        if not path.exists():
            return None
        with whole(path, "a list of figures", "Move it away: it says only what a proof cost"):
            return read_as(ProofFigures, path.read_bytes())

    def write(self, home: str, bundle: InferenceBundle, made: Made) -> ProofFigures:
        """Keep a proof; what it cost."""
        figures, day = ProofFigures(made.prove_s, made.verify_s, len(made.proof), made.peak_mb), bundle.context.day
        write_bytes(self._figures_path(day, home), json.dumps(asdict(figures)).encode())
        write_bytes(self.path(day, home), encode(bundle))
        return figures

    def _figures_path(self, day: int, home: str) -> Path:
        return self.directory / str(day) / "figures" / f"{home}.json"
