"""The `rewards:` part of community.yaml: the chain, deadlines and amounts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

_KEY = re.compile("(0x)?[0-9a-fA-F]{64}")


class RewardSettings(BaseModel):
    """Where the contracts live and what they pay."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    rpc_url: SecretStr | None = Field(default=None, description="a node's URL; none: an EVM inside this process")
    key_file: Path | None = Field(
        default=None, description="with rpc_url: file with the operator's funded private key, 64 hexadecimal digits"
    )
    clock: Literal["machine", "standing"] = Field(
        default="machine",
        description="clock of the embedded chain: this machine's, or one that stands between commands (the demo)",
    )
    grace_seconds: int = Field(
        default=3600, ge=0, le=86_400, description="a forecast is due this long after its day has started"
    )
    verifier: Literal["contract", "auditor"] = Field(
        default="contract",
        description="who checks skill proofs before a reward is paid: the contract itself (the chain needs the "
        "precompiles of EIP-2537), or the operator's key, which then has to be trusted",
    )
    base_amount: int = Field(default=10**18, ge=0, description="for a proven day, in 10^-18 of a token")
    amount_per_percent: int = Field(default=10**17, ge=0, description="for each percent of skill, in 10^-18 tokens")

    @field_validator("key_file")
    @classmethod
    def _names_a_file(cls, path: Path | None) -> Path | None:
        if path is not None and _KEY.fullmatch(str(path)):
            raise ValueError(
                "this is the private key itself: put it into a file of mode 0600, and name that file here"
            )
        return path
