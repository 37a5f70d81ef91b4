"""The `community:` and `api:` parts of community.yaml: who the community is, and where its doors are."""

from __future__ import annotations

from pathlib import Path

from eth_hash.auto import keccak
from pydantic import BaseModel, ConfigDict, Field


class CommunitySettings(BaseModel):
    """The community's name; its 32-byte identifier, which every proof carries, follows from it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=100, description="never change it: proofs are bound to it")

    @property
    def identifier(self) -> bytes:
        """Keccak-256 of the name, 32 bytes."""
        return keccak(b"wattproof/community/" + self.name.encode())


class ApiSettings(BaseModel):
    """State on disk, the database, and the HTTP server."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state_dir: Path = Field(default=Path("state"), description="rounds, models, proofs, keys; keep it private")
    database_url: str | None = Field(
        default=None, description="any SQLAlchemy URL, such as postgresql+psycopg://...; none: SQLite in state_dir"
    )
    host: str = Field(default="127.0.0.1", description="address the server listens on (0.0.0.0: every one)")
    port: int = Field(default=8000, ge=1, le=65535)
    max_upload_kb: int = Field(default=512, ge=16, le=16_384, description="larger uploads are refused")
    workers: int = Field(default=2, ge=1, description="proofs made at the same time by `forecast` and `demo`")
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")

    @property
    def database(self) -> str:
        """The URL of the database in use."""
        return self.database_url or f"sqlite:///{self.state_dir / 'wattproof.sqlite'}"

    @property
    def homes_dir(self) -> Path:
        """A folder for each home of this machine, its owner's alone."""
        return self.state_dir / "homes"

    @property
    def proofs_dir(self) -> Path:
        """Bundles by day and home."""
        return self.state_dir / "proofs"

    @property
    def model_dir(self) -> Path:
        """On a gateway: the community's model as it was handed out."""
        return self.state_dir / "model"
